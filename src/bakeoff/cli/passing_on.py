"""Commands for what others get of a study: `bakeoff export`, `paper`."""

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
    from bakeoff.export import export as export_model
    from bakeoff.predict.ensemble import UNCHECKED
    from bakeoff.store import Layout, read_study

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
    print_line(exported.choice)
    if not exported.ensemble.is_checked:
        print_line(UNCHECKED)
    print_line(
        f"ONNX Runtime and PyTorch differ by at most {exported.difference:.1g} in probability "
        f"on {exported.num_checked} test images"
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
