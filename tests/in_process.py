"""The command line in the process of the tests, which has loaded PyTorch already: seconds less per command.

For what a command prints, returns and writes. What needs a process of its own is tested with one: signals,
streams, surroundings, a user's code.
"""

import contextlib
import gc
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from bakeoff.cli import main


def bakeoff(*words: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `bakeoff WORDS` gives in a folder and environment of its own."""
    command = ["bakeoff", *map(str, words)]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    collecting, hook, code = gc.get_threshold(), sys.excepthook, 0
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, {"COLUMNS": "100", **variables}),
        mock.patch.object(sys, "argv", command),
        mock.patch.object(sys, "path", sys.path.copy()),  # the command adds the current folder
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            gc.set_threshold(*collecting)
            sys.excepthook = hook
    said = [stream.buffer.getvalue().decode() for stream in streams]
    return subprocess.CompletedProcess(command, code, *said)
