"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SOURCES = (
    "digits, folder:DIR, csv:PATH, parquet:PATH, splits:DIR, idx:DIR, npz:FILE, stl10:DIR or cifar10:DIR."
)

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A built-in study, or a TOML file.")]
SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCES)]
StudyDirArgument = Annotated[
    Path, typer.Argument(metavar="STUDY_DIR", help="A study folder written by `run`.")
]
RecipeOption = Annotated[
    str | None,
    typer.Option(metavar="RECIPE", help="Default: the one that the study supports best, or the baseline."),
]
TrustOption = Annotated[bool, typer.Option("--trust", help="Run the custom model code that the study names.")]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON.")]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="DIR", help="Write a report with figures and tables.")
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What decides the verdicts: accuracy, balanced_accuracy, macro_f1, auroc, average_precision, "
        "log_loss, brier or top_K.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any key of the study file; can be repeated."),
]
