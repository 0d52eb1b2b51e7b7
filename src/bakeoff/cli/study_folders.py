"""Commands on a study folder: `bakeoff report`, `status`, `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from bakeoff.cli.arguments import MetricOption, StudyDirArgument
from bakeoff.cli.printing import EXIT_PROBLEMS, finish


def report(
    study_dir: StudyDirArgument,
    metric: MetricOption = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
) -> None:
    """Rebuild the report from the stored results."""
    from bakeoff.api import open_result

    finish(open_result(study_dir, metric=metric), open_)


def status(
    study_dir: StudyDirArgument,
) -> None:
    """Show the progress of each run of a study."""
    from rich.console import Console

    from bakeoff.store import study_status
    from bakeoff.terminal.study import print_status

    print_status(*study_status(study_dir), Console())


def verify(study_dir: StudyDirArgument) -> None:
    """Check that the files of a study are those that were written.

    Exits with 1 if one is not.
    """
    from rich.console import Console

    from bakeoff.store import verify_study
    from bakeoff.terminal.study import print_verification

    verification = verify_study(study_dir)
    print_verification(verification, Console())
    if verification.differences:
        raise typer.Exit(EXIT_PROBLEMS)
