"""`python -m bakeoff` is `bakeoff`."""

import os
import sys

if __name__ == "__main__":
    # Python puts the current folder first, and a file `copy.py` there before Python's own.
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109 - pathlib may lie there
        del sys.path[0]
    from bakeoff.cli import main

    main()
