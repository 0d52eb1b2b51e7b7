"""Commands for what others get of a study: `bakeoff export`, `paper`, `log`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli.arguments import MetricOption, RecipeOption, StudyDirArgument, TrustOption
from bakeoff.cli.own_code import find_own_classes
from bakeoff.cli.printing import print_line


def export(
    study_dir: StudyDirArgument,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder, new or empty.")],
    recipe: RecipeOption = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Default: the seed with the highest validation accuracy."),
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Export the mean of all finished seeds as one ONNX model.")
    ] = False,
    license_: Annotated[
        str | None,
        typer.Option("--license", metavar="NAME", help="Named by the model card: apache-2.0, cc-by-4.0 ..."),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Export a trained model as ONNX and safetensors, with a model card."""
    from rich.console import Console

    from bakeoff.export import export as export_model
    from bakeoff.predict.ensemble import UNCHECKED
    from bakeoff.store import Layout, read_study
    from bakeoff.terminal.lines import print_text
    from bakeoff.text import counted

    find_own_classes(read_study(Layout(study_dir)))
    exported = export_model(
        study_dir,
        directory,
        recipe=recipe,
        seed=seed,
        ensemble=ensemble,
        license_name=license_,
        trust=trust,
    )
    console = Console()
    print_text(exported.choice, console)
    if not exported.ensemble.is_checked:
        print_text(UNCHECKED, console)
    print_text(
        f"ONNX Runtime and PyTorch differ by at most {exported.difference:.1g} in probability "
        f"on {counted(exported.num_checked, 'test image')}",
        console,
    )
    print_line(f"exported to {directory}: {', '.join(exported.files)}")


def paper(
    study_dir: StudyDirArgument,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder, new or empty.")],
    metric: MetricOption = None,
) -> None:
    """Write methods, tables (LaTeX, Markdown), references and a checklist for a paper."""
    from bakeoff.api import open_result

    result = open_result(study_dir, metric=metric)
    folder = result.paper(directory)
    print_line(f"written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def log(
    study_dir: StudyDirArgument,
    to: Annotated[str, typer.Option("--to", metavar="mlflow|wandb|tensorboard|csv", help="What gets them.")],
    at: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="A tracking URI of MLflow, a folder, or a file; see the docs."),
    ] = None,
    metric: MetricOption = None,
) -> None:
    """Log the runs of a study, with settings, epochs and scores, to a tracker or a table."""
    from bakeoff.api import open_result
    from bakeoff.logs import log_study
    from bakeoff.text import counted

    logged = log_study(open_result(study_dir, metric=metric).summary, to, at)
    before = logged.num_runs - logged.num_new
    already = f"; {counted(before, 'run')} were there already" if before else ""
    print_line(f"{counted(logged.num_new, 'run')} logged to {logged.place}{already}")
    if to == "wandb":
        print_line(f"next: wandb sync {logged.place}/offline-run-*")
