"""Commands that judge or make predictions: `bakeoff compare`, `predict`, `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli.arguments import (
    JsonOption,
    MetricOption,
    RecipeOption,
    ReportOption,
    SetOption,
    SourceArgument,
    StudyDirArgument,
    TrustOption,
)
from bakeoff.cli.own_code import find_own_classes
from bakeoff.cli.printing import EXIT_INTERRUPTED, EXIT_PROBLEMS, print_error, print_line
from bakeoff.errors import BakeoffError


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="CSV files, predictions.npz files or study folders."),
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Compare every other recipe with this one.")
    ] = None,
    metric: MetricOption = None,
    margin: Annotated[float, typer.Option(metavar="0..1", help="Smallest difference that matters.")] = 0.01,
    confidence: Annotated[float, typer.Option(metavar="0..1", help="Confidence level of intervals.")] = 0.95,
    json_: JsonOption = None,
    report_: ReportOption = None,
) -> None:
    """Compare predictions from other tools: recipe,seed,image,label,prediction[,p_CLASS...]."""
    from rich.console import Console

    from bakeoff.prediction_files.compare import compare_files
    from bakeoff.report.build import write_comparison_report
    from bakeoff.terminal.comparison import print_comparison

    _check_outputs(json_, "metric", report_)
    metric = metric or "accuracy"
    comparison = compare_files(
        files,
        baseline=baseline,
        margin=margin,
        confidence=confidence,
        metric=metric,
        # Of accuracy, the terminal shows none.
        details=metric != "accuracy" or json_ is not None or report_ is not None,
    )
    print_comparison(comparison, Console())
    page = None if report_ is None else write_comparison_report(comparison, report_)
    if json_ is not None:
        from bakeoff.files import to_json, write_text

        write_text(json_, to_json(comparison.to_dict()))
    if page is not None:
        print_line(f"report: {page}")


def predict(
    study_dir: StudyDirArgument,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE_OR_DIR...", help="Image files, or folders with image files."),
    ],
    recipe: RecipeOption = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Use only this seed; can be repeated. Default: mean over all seeds."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all predictions as CSV.")] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all predictions as JSON.")
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Classify images with a study's trained models.

    Exits with 1 if an image cannot be read; the others are still classified.
    """
    from rich.console import Console

    from bakeoff.data.progress import Progress
    from bakeoff.predict.ensemble import UNCHECKED, load_ensemble
    from bakeoff.predict.files import count_images, predict_files
    from bakeoff.predict.outputs import prediction_files
    from bakeoff.store import Layout, read_study
    from bakeoff.terminal.lines import print_text
    from bakeoff.terminal.predictions import PredictionSummary, print_predictions
    from bakeoff.terminal.step import StepBar

    console = Console()
    find_own_classes(read_study(Layout(study_dir)))
    ensemble = load_ensemble(study_dir, recipe=recipe, seeds=seed, trust=trust)
    print_text(ensemble.describe(), console)
    if not ensemble.is_checked:
        print_text(UNCHECKED, console)
    summary = PredictionSummary()
    try:
        with prediction_files(ensemble, csv, json_) as write, StepBar(console) as bar:
            # Counted only where it is shown.
            steps = Progress(
                "classifying images", count_images(images) if console.is_terminal else 0, bar.show
            )
            for result in predict_files(ensemble, images, on_progress=steps.advance):
                summary.add(result)
                write(result)
            if not summary.num_images:
                raise BakeoffError(
                    f"no image in {', '.join(map(str, images[:3]))}; expected files such as .png or .jpg"
                )
    except KeyboardInterrupt:
        print_error("stopped; no predictions were written")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_predictions(summary, console, Console(stderr=True), written=bool(csv or json_))
    if summary.num_unreadable:
        raise typer.Exit(EXIT_PROBLEMS)


def evaluate(
    study_dir: StudyDirArgument,
    source: SourceArgument,
    metric: MetricOption = None,
    set_: SetOption = None,
    json_: JsonOption = None,
    report_: ReportOption = None,
    trust: TrustOption = False,
) -> None:
    """Test a study's trained models on other labeled images: do the differences stay?"""
    from rich.console import Console

    from bakeoff.files import to_json, write_text
    from bakeoff.predict.evaluate import evaluate as evaluate_study
    from bakeoff.report.build import write_comparison_report
    from bakeoff.store import Layout, read_study
    from bakeoff.terminal.comparison import print_changes, print_comparison
    from bakeoff.terminal.progress import StudyDisplay

    _check_outputs(json_, "comparison", report_)
    find_own_classes(read_study(Layout(study_dir)))
    console = Console()
    with StudyDisplay(console) as display:
        evaluation = evaluate_study(
            study_dir, source, metric=metric, overrides=set_, trust=trust, progress=display.decoding
        )
    print_comparison(evaluation.comparison, console)
    print_changes(evaluation.changes, console, evaluation.notes)
    page = None if report_ is None else write_comparison_report(evaluation.comparison, report_)
    if json_ is not None:
        content = {"comparison": evaluation.comparison.to_dict(), "changes": evaluation.changes.to_dict()}
        write_text(json_, to_json(content))
    if page is not None:
        print_line(f"report: {page}")


def _check_outputs(json_: Path | None, first_key: str, report_: Path | None) -> None:
    """Refuse to replace what is no such result, before any work is done."""
    from bakeoff.files import check_replaceable
    from bakeoff.report.build import check_report_folder

    if json_ is not None:
        check_replaceable(json_, f'{{\n "{first_key}": ', "json")
    if report_ is not None:
        check_report_folder(report_)
