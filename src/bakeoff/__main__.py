"""`python -m bakeoff` is `bakeoff`."""

import os
import sys

if __name__ == "__main__":
    # Python puts the current folder first, and a file `copy.py` there before Python's own.
    try:
        current_folder = os.getcwd()  # noqa: PTH109 - pathlib may lie there
    except FileNotFoundError:  # main() reports this
        current_folder = ""
    if not sys.flags.safe_path and sys.path[:1] == [current_folder]:
        del sys.path[0]
    from bakeoff.cli import main

    main()
