"""What happens around every command: standard streams, errors, exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import shutil
import sys
from typing import Any

import typer

from bakeoff.cli.app import app
from bakeoff.cli.printing import EXIT_USER_ERROR, print_error
from bakeoff.errors import BakeoffError
from bakeoff.files import check_current_folder
from bakeoff.text import encodable, quiet_libraries

WIDTH_OF_FRAMES = 70
"""Of a terminal on which help with frames cuts no name."""


def main() -> None:
    """Run the command line; errors that a user can fix are printed without a traceback and exit with 2."""
    # Objects that libraries create at import stay alive: collecting garbage among them took up to a second.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    quiet_libraries()
    _open_standard_streams()
    if os.environ.get("COLUMNS") == "0":  # as some editors' terminals say where they do not know it
        del os.environ["COLUMNS"]
    with encodable(sys.stdout), encodable(sys.stderr):
        try:
            check_current_folder()
            app(terminal_width=_width_of_plain_help())
        except BakeoffError as error:
            print_error(f"error: {error}{_option_for(error)}")
            sys.exit(EXIT_USER_ERROR)
        except OSError as error:  # a folder that may not be read, a name that is too long, a limit
            subject = f"{error.filename}: " if error.filename else ""
            print_error(f"error: {subject}{error.strerror or error}{REMEDIES.get(error.errno or 0, '')}")
            sys.exit(EXIT_USER_ERROR)


REMEDIES = {
    errno.EACCES: "; change its permissions, or name another",
    errno.EMFILE: "; raise the limit on open files (ulimit -n)",
    errno.ENAMETOOLONG: "; choose a shorter name",
    errno.ENOSPC: "; free some space",
}


def _width_of_plain_help() -> int | None:
    """The width of a narrow terminal, where help has no frames, which would cut the names of options."""
    width = shutil.get_terminal_size().columns
    if width >= WIDTH_OF_FRAMES:
        return None
    app.rich_markup_mode = None
    return width


def _open_standard_streams() -> None:
    """Open those that are closed as /dev/null, or the next file would take their numbers and get messages."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


OPTIONS = {
    "at": "--at PLACE",
    "address": "--address HOST:PORT with --engine ray",
    "csv": "--csv FILE",
    "data": "--data SOURCE",
    "device": "--device auto, cpu or cuda",
    "engine": "--engine processes or ray",
    "jobs": "--jobs N",
    "json": "--json FILE",
    "list": "--list FILE",
    "metric": "--metric NAME",
    "max_seeds": "--max-seeds N with --until decided",
    "overrides": "--set KEY=VALUE",
    "path": "--out DIR",
    "recipes": "--recipes A,B",
    "to": "--to mlflow, wandb, tensorboard or csv",
    "trials": "--trials N",
    "trust": "--trust",
    "until": "--until decided",
    "wait": "--wait, or --out DIR",
}
"""The option for the Python parameter that an error is about."""


def _option_for(error: BakeoffError) -> str:
    """The option to change, if the command has it; in `data check SOURCE`, say, it is an argument."""
    command: Any = typer.main.get_command(app)
    for word in sys.argv[1:]:
        command = getattr(command, "commands", {}).get(word, command)
    names = {name for parameter in command.params for name in parameter.opts}
    option = OPTIONS.get(error.parameter or "", "")
    setting = "data.source in the study file; " if error.parameter == "data" else ""
    return f" ({setting}on the command line: {option})" if option.partition(" ")[0] in names else ""
