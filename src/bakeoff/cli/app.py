"""The commands and their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from bakeoff.cli import data
from bakeoff.cli.group import Group
from bakeoff.cli.passing_on import export, log, paper
from bakeoff.cli.predictions import compare, evaluate, predict
from bakeoff.cli.printing import print_line
from bakeoff.cli.run import run
from bakeoff.cli.study_files import init, schema, show, studies
from bakeoff.cli.study_folders import report, status, verify

app = typer.Typer(
    cls=Group,
    help="Train recipes for image classifiers with several seeds and compare them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(cls=Group, help="Inspect, check or download image data.", no_args_is_help=True)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        print_line(f"bakeoff {version('bakeoff')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options before the command."""


_COMMANDS: list[Callable[..., None]] = [
    run,
    studies,
    show,
    schema,
    init,
    report,
    status,
    verify,
    compare,
    predict,
    evaluate,
    export,
    paper,
    log,
]
"""In the order of help."""

for _command in _COMMANDS:
    app.command()(_command)
for _command in (data.info, data.check, data.fetch):
    data_app.command()(_command)
app.add_typer(data_app, name="data")
