"""What commands print, and their exit codes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from bakeoff.text import printable

if TYPE_CHECKING:
    from bakeoff.result import Result

EXIT_FAILED_RUNS = EXIT_PROBLEMS = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def print_line(text: str) -> None:
    """Print a line. `typer.echo` would write UTF-8 to a stream that is ASCII."""
    print(printable(text), flush=True)


def print_error(text: str) -> None:
    """Print a line to standard error, if there is one."""
    if sys.stderr is not None:  # closed
        print(printable(text), file=sys.stderr, flush=True)


def finish(result: Result, open_report: bool) -> None:
    """Write the report, print the results; `open_report`: in a browser."""
    from rich.console import Console

    from bakeoff.terminal.study import print_results

    page = result.report()
    print_results(result.summary, Console())
    print_line(f"report: {page}")
    if open_report:
        typer.launch(page.resolve().as_uri())
