"""The command line: each command calls one public function. Options, printing, exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from bakeoff.errors import BakeoffError
from bakeoff.files import check_current_folder
from bakeoff.text import ESCAPED, encodable, printable, quiet_libraries

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakeoff.data import ImageData
    from bakeoff.result import Result
    from bakeoff.study import DataSettings, Study

EXIT_FAILED_RUNS = EXIT_PROBLEMS = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

WIDTH_OF_FRAMES = 70
"""Of a terminal on which help with frames cuts no name."""


class Group(TyperGroup):
    """Commands whose help says what an argument or a switch is for, not its type in Python."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, whose arguments and switches show no type."""
        command = super().get_command(ctx, cmd_name)
        _hide_types(command.get_params(ctx) if command else [])
        return command

    def get_params(self, ctx: Any) -> Any:
        """The options before a command, likewise."""
        return _hide_types(super().get_params(ctx))


def _hide_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            parameter.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
        elif isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
    return parameters


app = typer.Typer(
    cls=Group,
    help="Train recipes for image classifiers with several seeds and compare them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(cls=Group, help="Inspect, check or download image data.", no_args_is_help=True)
app.add_typer(data_app, name="data")


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        _print(f"bakeoff {version('bakeoff')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options before the command."""


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


@app.command("run")
def run_(
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
    from bakeoff.api import RunsFailedError, run, study_folder
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
    _find_own_classes(loaded)
    failed = False
    try:
        result = run(
            loaded, root, jobs=jobs, device=device, engine=engine, address=address, check=check, wait=wait
        )
    except RunsFailedError as error:  # already printed
        failed, result = True, error.result
    except KeyboardInterrupt:
        _print_error(f"stopped; finished runs are kept in {root}; run the same command again to continue")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _finish(result, open_)
    if failed:
        raise typer.Exit(EXIT_FAILED_RUNS)


@app.command()
def studies() -> None:
    """List the built-in studies."""
    from rich.console import Console
    from rich.table import Table

    from bakeoff.study import builtin_studies

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, study in builtin_studies().items():
        table.add_row(name, study.description)
    Console().print(table)


@app.command()
def show(study: StudyArgument, set_: SetOption = None) -> None:
    """Print a study file with every default, to copy and edit."""
    from bakeoff.study import load_study, study_to_toml

    with encodable(sys.stdout, ESCAPED):
        print(study_to_toml(load_study(study, overrides=set_ or [])), end="", flush=True)


@app.command()
def report(
    study_dir: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="A study folder written by `run`.")],
    metric: MetricOption = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
) -> None:
    """Rebuild the report from the stored results."""
    from bakeoff.api import open_result

    _finish(open_result(study_dir, metric=metric), open_)


@app.command()
def status(
    study_dir: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="A study folder written by `run`.")],
) -> None:
    """Show the progress of each run of a study."""
    from rich.console import Console

    from bakeoff.store import study_status
    from bakeoff.terminal.study import print_status

    print_status(*study_status(study_dir), Console())


@app.command()
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


@app.command()
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="CSV files, predictions.npz files or study folders."),
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Compare every other recipe with this one.")
    ] = None,
    metric: MetricOption = None,
    margin: Annotated[float, typer.Option(help="Smallest difference that matters, 0..1.")] = 0.01,
    confidence: Annotated[float, typer.Option(help="Confidence level of the intervals, 0..1.")] = 0.95,
    json_: JsonOption = None,
    report_: ReportOption = None,
) -> None:
    """Compare predictions from other tools: recipe,seed,image,label,prediction[,p_CLASS...]."""
    from rich.console import Console

    from bakeoff.prediction_files.compare import compare_files
    from bakeoff.report.build import write_comparison_report
    from bakeoff.terminal.comparison import print_comparison

    comparison = compare_files(
        files, baseline=baseline, margin=margin, confidence=confidence, metric=metric or "accuracy"
    )
    print_comparison(comparison, Console())
    if json_ is not None:
        from bakeoff.files import to_json, write_text

        write_text(json_, to_json(comparison.to_dict()))
    if report_ is not None:
        _print(f"report: {write_comparison_report(comparison, report_)}")


@app.command()
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

    from bakeoff.predict.ensemble import UNCHECKED, load_ensemble
    from bakeoff.predict.files import count_images, predict_files
    from bakeoff.predict.outputs import prediction_files
    from bakeoff.store import Layout, read_study
    from bakeoff.terminal.predictions import PredictionSummary, print_predictions
    from bakeoff.terminal.progress import PredictionDisplay

    console = Console()
    _find_own_classes(read_study(Layout(study_dir)))
    ensemble = load_ensemble(study_dir, recipe=recipe, seeds=seed, trust=trust)
    _print(ensemble.describe())
    if not ensemble.is_checked:
        _print(UNCHECKED)
    summary = PredictionSummary()
    try:
        with (
            prediction_files(ensemble, csv, json_) as write,
            PredictionDisplay(console, lambda: count_images(images)) as display,
        ):
            for result in predict_files(ensemble, images, on_progress=display.advance):
                summary.add(result)
                write(result)
            if not summary.num_images:
                raise BakeoffError(
                    f"no image in {', '.join(map(str, images[:3]))}; expected files such as .png or .jpg"
                )
    except KeyboardInterrupt:
        _print_error("stopped; no predictions were written")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_predictions(summary, console, Console(stderr=True), written=bool(csv or json_))
    if summary.num_unreadable:
        raise typer.Exit(EXIT_PROBLEMS)


@app.command()
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

    _find_own_classes(read_study(Layout(study_dir)))
    console = Console()
    with StudyDisplay(console) as display:
        evaluation = evaluate_study(
            study_dir, source, metric=metric, overrides=set_, trust=trust, progress=display.decoding
        )
    print_comparison(evaluation.comparison, console)
    print_changes(evaluation.changes, console)
    if json_ is not None:
        content = {"comparison": evaluation.comparison.to_dict(), "changes": evaluation.changes.to_dict()}
        write_text(json_, to_json(content))
    if report_ is not None:
        _print(f"report: {write_comparison_report(evaluation.comparison, report_)}")


@app.command()
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

    _find_own_classes(read_study(Layout(study_dir)))
    exported = export_model(
        study_dir,
        directory,
        recipe=recipe,
        seed=seed,
        ensemble=ensemble,
        license_name=license_,
        trust=trust,
    )
    _print(exported.choice)
    if not exported.ensemble.is_checked:
        _print(UNCHECKED)
    _print(
        f"ONNX Runtime and PyTorch differ by at most {exported.difference:.1g} in probability "
        f"on {exported.num_checked} test images"
    )
    _print(f"exported to {directory}: {', '.join(exported.files)}")


@app.command()
def paper(
    study_dir: StudyDirArgument,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder, new or empty.")],
    metric: MetricOption = None,
) -> None:
    """Write methods, tables (LaTeX, Markdown), references and a checklist for a paper."""
    from bakeoff.api import open_result

    result = open_result(study_dir, metric=metric)
    folder = result.paper(directory)
    _print(f"written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def _find_own_classes(study: Study) -> None:
    """Let imports find custom classes in the current folder, after all installed packages."""
    if study.own_classes:
        sys.path.append(str(Path.cwd()))


def _finish(result: Result, open_report: bool) -> None:
    """Write the report, print the results."""
    from rich.console import Console

    from bakeoff.terminal.study import print_results

    page = result.report()
    print_results(result.summary, Console())
    _print(f"report: {page}")
    if open_report:
        typer.launch(page.resolve().as_uri())


@data_app.command("info")
def data_info(source: SourceArgument, set_: SetOption = None) -> None:
    """Show the splits, images per class, sizes, mean and std of a data source."""
    from rich.console import Console

    from bakeoff.data import describe
    from bakeoff.terminal.study import print_data_info

    _, data = _load(source, set_)
    print_data_info(describe(data), Console())


@data_app.command("check")
def data_check(source: SourceArgument, set_: SetOption = None) -> None:
    """Check a data source for leaks between splits, duplicates and unusual images.

    Exits with 1 if there is a leak between splits, or an image with two labels.
    """
    from rich.console import Console

    from bakeoff.audit.auditing import audit_source
    from bakeoff.terminal.audit import print_audit, print_notes

    settings, data = _load(source, set_)
    print_notes(data.notes, Console())
    audit = audit_source(settings, data)
    print_audit(audit, Console())
    if audit.of("leak") or audit.of("conflict"):
        raise typer.Exit(EXIT_PROBLEMS)


def _load(source: str, overrides: list[str] | None) -> tuple[DataSettings, ImageData]:
    from rich.console import Console

    from bakeoff.data import load_data
    from bakeoff.study import load_study
    from bakeoff.study.settings.data import NEAR_DUPLICATES
    from bakeoff.terminal.step import StepBar

    settings = load_study("quickstart", source=source, overrides=overrides or []).data
    load: Callable[..., ImageData] = load_data
    if settings.groups == NEAR_DUPLICATES:
        from bakeoff.audit import load_grouped

        load = load_grouped
    with StepBar(Console()) as bar:
        return settings, load(settings, progress=bar.show)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="stl10")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder.")],
) -> None:
    """Download a data set and verify it."""
    from rich.console import Console

    from bakeoff.data import fetch
    from bakeoff.terminal.step import StepBar

    with StepBar(Console()) as bar:
        fetched = fetch(name, directory, progress=bar.show)
    _print(f"{name} is in {fetched}; use it with --data {name}:{fetched}")


def main() -> None:
    """Run the command line; errors that a user can fix are printed without a traceback and exit with 2."""
    # Objects that libraries create at import stay alive: collecting garbage among them took up to a second.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    quiet_libraries()
    _open_standard_streams()
    with encodable(sys.stdout), encodable(sys.stderr):
        try:
            check_current_folder()
            app(terminal_width=_width_of_plain_help())
        except BakeoffError as error:
            _print_error(f"error: {error}{_option_for(error)}")
            sys.exit(EXIT_USER_ERROR)
        except OSError as error:  # a folder that may not be read, a name that is too long, a limit
            subject = f"{error.filename}: " if error.filename else ""
            _print_error(f"error: {subject}{error.strerror or error}{REMEDIES.get(error.errno or 0, '')}")
            sys.exit(EXIT_USER_ERROR)


REMEDIES = {
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


def _print(text: str) -> None:
    """Print a line. `typer.echo` would write UTF-8 to a stream that is ASCII."""
    print(printable(text), flush=True)


def _print_error(text: str) -> None:
    if sys.stderr is not None:  # closed
        print(printable(text), file=sys.stderr, flush=True)


OPTIONS = {
    "address": "--address HOST:PORT with --engine ray",
    "csv": "--csv FILE",
    "data": "--data SOURCE",
    "device": "--device auto, cpu or cuda",
    "engine": "--engine processes or ray",
    "jobs": "--jobs N",
    "json": "--json FILE",
    "metric": "--metric NAME",
    "max_seeds": "--max-seeds N with --until decided",
    "overrides": "--set KEY=VALUE",
    "path": "--out DIR",
    "recipes": "--recipes A,B",
    "trials": "--trials N",
    "trust": "--trust",
    "until": "--until decided",
    "wait": "--wait, or --out DIR",
}
"""The option for the Python parameter that an error is about."""


def _option_for(error: BakeoffError) -> str:
    option = OPTIONS.get(error.parameter or "")
    return f" (on the command line: {option})" if option else ""
