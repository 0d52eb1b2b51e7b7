"""`bakeoff run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli.arguments import SOURCES, MetricOption, SetOption, StudyArgument
from bakeoff.cli.own_code import find_own_classes
from bakeoff.cli.printing import EXIT_FAILED_RUNS, EXIT_INTERRUPTED, finish, print_error
from bakeoff.errors import BakeoffError
from bakeoff.text import counted, listed


def run(
    study: StudyArgument = "quickstart",
    data: Annotated[str | None, typer.Option(metavar="SOURCE", help=SOURCES)] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", min=1, help="Number of runs per recipe.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="decided", help="Add seeds in rounds until every pair is decided.")
    ] = None,
    max_seeds: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Maximum with --until decided; default: 20.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of epochs of every recipe.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=1000, help="Number of trials of each recipe with a search; 0 for none."
        ),
    ] = None,
    recipes: Annotated[str | None, typer.Option(metavar="A,B", help="Train only these recipes.")] = None,
    metric: MetricOption = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Study folder; default: results/NAME.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of parallel runs; default: one per core.")
    ] = None,
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|cuda", help="Device; on cuda, the seeds of a recipe train together."),
    ] = "cpu",
    set_: SetOption = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Check the images for problems.")] = True,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait if another process uses the study folder.")
    ] = False,
    engine: Annotated[
        str, typer.Option(metavar="processes|ray", help="What executes the runs.")
    ] = "processes",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Address of a Ray cluster, or auto; default: this machine."),
    ] = None,
) -> None:
    """Train the recipes of a study with all seeds, compare them, write the report."""
    from bakeoff.api import RunsFailedError, study_folder
    from bakeoff.api import run as run_study
    from bakeoff.study import load_study

    loaded = load_study(
        study,
        overrides=set_ or [],
        source=data,
        seeds=seeds,
        until=until,
        max_seeds=max_seeds,
        epochs=epochs,
        recipes=[name.strip() for name in recipes.split(",")] if recipes is not None else None,
        metric=metric,
        trials=trials,
    )
    root = study_folder(loaded, out)
    find_own_classes(loaded)
    failed = False
    try:
        result = run_study(
            loaded, root, jobs=jobs, device=device, engine=engine, address=address, check=check, wait=wait
        )
    except RunsFailedError as error:  # already printed
        failed, result = True, error.result
    except KeyboardInterrupt:
        print_error(f"stopped{_what_is_kept(root)}; run the same command again to continue")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finish(result, open_)
    if failed:
        raise typer.Exit(EXIT_FAILED_RUNS)


def _what_is_kept(root: Path) -> str:
    """What there is of an interrupted study."""
    from bakeoff.store import study_status

    try:
        states = [run.state for run in study_status(root)[1]]
    except BakeoffError:  # the folder was not made yet
        states = []
    num_finished, num_begun = states.count("finished"), states.count("unfinished") + states.count("running")
    kept = [counted(num_finished, "finished run")] if num_finished else []
    if num_begun:
        kept.append(f"the epochs so far of {counted(num_begun, 'unfinished run')}")
    return f"; {root} keeps {listed(kept)}" if kept else " before the first epoch was saved"
