"""The command line: one command, one public function. Options, printing, exit codes."""

from __future__ import annotations

import atexit
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.errors import BakeoffError
from bakeoff.text import printable

if TYPE_CHECKING:
    from bakeoff.data import ImageData
    from bakeoff.result import Result
    from bakeoff.study import DataSettings, Study

EXIT_FAILED_RUNS = EXIT_FOUND_TROUBLE = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    help="Train image classifier recipes with many seeds, and learn honestly which is better.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Look at image data, or fetch it.", no_args_is_help=True)
app.add_typer(data_app, name="data")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"bakeoff {version('bakeoff')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


SOURCES = "digits, folder:DIR, splits:DIR, stl10:DIR or cifar10:DIR."

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A built-in study, or a TOML file.")]
SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCES)]
StudyDirArgument = Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="A folder that `run` wrote.")]
RecipeOption = Annotated[
    str | None,
    typer.Option(metavar="RECIPE", help="Default: the one that the study supports best, or its baseline."),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run the code that the study names as its model, whoever wrote it.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any key of the study file; repeatable."),
]


@app.command("run")
def run_(
    study: StudyArgument = "quickstart",
    data: Annotated[str | None, typer.Option(metavar="SOURCE", help=SOURCES)] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How often each recipe is trained.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="decided", help="Add seeds in rounds until every pair is decided.")
    ] = None,
    max_seeds: Annotated[int | None, typer.Option(min=1, help="With --until decided; default 20.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of every recipe.")] = None,
    recipes: Annotated[str | None, typer.Option(metavar="A,B", help="Only these recipes.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The study folder; default results/NAME.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at once; default: one a core.")] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="Where to train; cuda stacks the seeds of a recipe.")
    ] = "cpu",
    set_: SetOption = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Look for trouble among the images too.")
    ] = True,
    wait: Annotated[bool, typer.Option("--wait", help="Wait if the study folder is in use.")] = False,
    engine: Annotated[str, typer.Option(metavar="processes|ray", help="Who does the runs.")] = "processes",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of a Ray cluster, or auto; default: this machine."),
    ] = None,
) -> None:
    """Train a study's recipes with all seeds, compare them, write the report."""
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
    )
    root = study_folder(loaded, out)
    _find_own_classes(loaded)
    failed = False
    try:
        result = run(
            loaded, root, jobs=jobs, device=device, engine=engine, address=address, check=check, wait=wait
        )
    except RunsFailedError as error:  # the screen shows which
        failed, result = True, error.result
    except KeyboardInterrupt:
        typer.echo(
            f"stopped; finished runs are kept in {root}, and the same command continues from there", err=True
        )
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
    """Print a study file with every default written out, to copy and edit."""
    from bakeoff.study import load_study, study_to_toml

    sys.stdout.write(study_to_toml(load_study(study, overrides=set_ or [])))


@app.command()
def report(
    study_dir: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="A folder that `run` wrote.")],
    open_: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
) -> None:
    """Analyze and report again, from the stored results alone."""
    from bakeoff.api import open_result

    _finish(open_result(study_dir), open_)


@app.command()
def status(
    study_dir: Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="A folder that `run` wrote.")],
) -> None:
    """Show the state of each run of a study."""
    from rich.console import Console

    from bakeoff.store import study_status
    from bakeoff.terminal.study import print_status

    print_status(*study_status(study_dir), Console())


@app.command()
def compare(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV, predictions.npz, or a folder with runs/.")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Compare each other recipe with this one.")
    ] = None,
    margin: Annotated[float, typer.Option(help="The smallest difference that matters, 0..1.")] = 0.01,
    confidence: Annotated[float, typer.Option(help="Of the intervals, 0..1.")] = 0.95,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the result as data.")
    ] = None,
    report_: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write a page, figures and tables.")
    ] = None,
) -> None:
    """Compare predictions made elsewhere: recipe,seed,image,label,prediction[,p_CLASS...]."""
    from rich.console import Console

    from bakeoff.prediction_files.compare import compare_files
    from bakeoff.report.build import write_comparison_report
    from bakeoff.terminal.comparison import print_comparison

    comparison = compare_files(files, baseline=baseline, margin=margin, confidence=confidence)
    print_comparison(comparison, Console())
    if json_ is not None:
        from bakeoff.files import to_json, write_text

        write_text(json_, to_json(comparison.to_dict()))
    if report_ is not None:
        typer.echo(f"report: {write_comparison_report(comparison, report_)}")


@app.command()
def predict(
    study_dir: StudyDirArgument,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE_OR_DIR...", help="Image files, or folders of them.")
    ],
    recipe: RecipeOption = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Only this seed's model; repeatable. Default: the mean over all."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all predictions as CSV.")] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all predictions as JSON.")
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Classify images with a study's trained models.

    Exits with 1 if an image could not be read; the others are classified.
    """
    from rich.console import Console

    from bakeoff.predict.ensemble import load_ensemble
    from bakeoff.predict.files import count_images, predict_files
    from bakeoff.predict.outputs import prediction_files
    from bakeoff.store import Layout, read_study
    from bakeoff.terminal.predictions import PredictionSummary, print_predictions
    from bakeoff.terminal.progress import PredictionDisplay

    console = Console()
    _find_own_classes(read_study(Layout(study_dir)))
    ensemble = load_ensemble(study_dir, recipe=recipe, seeds=seed, trust=trust)
    typer.echo(ensemble.describe())
    summary = PredictionSummary()
    try:
        with (
            prediction_files(ensemble, csv, json_) as write,
            PredictionDisplay(console, lambda: count_images(images)) as display,
        ):
            for outcome in predict_files(ensemble, images, on_progress=display.advance):
                summary.add(outcome)
                write(outcome)
            if not summary.num_images:
                raise BakeoffError(
                    f"no image in {', '.join(map(str, images[:3]))}; expected files such as .png or .jpg"
                )
    except KeyboardInterrupt:
        typer.echo("stopped; no predictions were written", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_predictions(summary, console, Console(stderr=True), written=bool(csv or json_))
    if summary.num_unreadable:
        raise typer.Exit(EXIT_FOUND_TROUBLE)


@app.command()
def export(
    study_dir: StudyDirArgument,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty: where to write.")],
    recipe: RecipeOption = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Default: the one with the highest validation accuracy."),
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="The mean of all finished seeds as one ONNX model.")
    ] = False,
    trust: TrustOption = False,
) -> None:
    """Write a study's model as ONNX and safetensors, with a model card."""
    from bakeoff.export import export as export_model
    from bakeoff.store import Layout, read_study

    _find_own_classes(read_study(Layout(study_dir)))
    done = export_model(study_dir, directory, recipe=recipe, seed=seed, ensemble=ensemble, trust=trust)
    typer.echo(done.choice)
    typer.echo(
        f"ONNX Runtime and PyTorch differ by at most {done.difference:.1g} in probability "
        f"on {done.num_checked} test images"
    )
    typer.echo(f"exported to {printable(str(directory))}: {', '.join(done.files)}")


def _find_own_classes(study: Study) -> None:
    """Let imports find a user's own classes in the current folder, behind all that is installed."""
    if study.own_classes:
        sys.path.append(str(Path.cwd()))


def _finish(result: Result, open_report: bool) -> None:
    """Write the report, print the results."""
    from rich.console import Console

    from bakeoff.terminal.study import print_results

    page = result.report()
    print_results(result.summary, Console())
    typer.echo(f"report: {page}")
    if open_report:
        typer.launch(page.resolve().as_uri())


@data_app.command("info")
def data_info(source: SourceArgument, set_: SetOption = None) -> None:
    """Show splits, counts a class, sizes, mean and std of a data source."""
    from rich.console import Console

    from bakeoff.data import describe
    from bakeoff.terminal.study import print_data_info

    _, data = _load(source, set_)
    print_data_info(describe(data), Console())


@data_app.command("check")
def data_check(source: SourceArgument, set_: SetOption = None) -> None:
    """Look for leaks, duplicates, doubtful and unusable images in a data source.

    Exits with 1 if a leak between splits or an image under two labels was found.
    """
    from rich.console import Console

    from bakeoff.audit.auditing import audit_source
    from bakeoff.terminal.audit import print_audit

    settings, data = _load(source, set_)
    found = audit_source(settings, data)
    print_audit(found, Console())
    if found.of("leak") or found.of("conflict"):
        raise typer.Exit(EXIT_FOUND_TROUBLE)


def _load(source: str, overrides: list[str] | None) -> tuple[DataSettings, ImageData]:
    from rich.console import Console

    from bakeoff.data import load_data
    from bakeoff.study import load_study
    from bakeoff.terminal.progress import StudyDisplay

    settings = load_study("quickstart", source=source, overrides=overrides or []).data
    with StudyDisplay(Console()) as display:
        return settings, load_data(settings, progress=display.decoding)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="stl10")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to keep it.")],
) -> None:
    """Download a data set, verify it, keep it."""
    from rich.console import Console

    from bakeoff.data import fetch
    from bakeoff.terminal.progress import StudyDisplay

    with StudyDisplay(Console()) as display:
        fetched = fetch(name, directory, progress=display.decoding)
    typer.echo(f"{name} is in {fetched}; use it with --data {name}:{fetched}")


def main() -> None:
    """Run the command line; a user's mistake is printed in one piece and exits with 2."""
    # What libraries load stays: to look through it for garbage, and again at the end, took up to a second.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    try:
        app()
    except BakeoffError as error:
        typer.echo(f"error: {printable(str(error))}{_option_for(error)}", err=True)
        sys.exit(EXIT_USER_ERROR)


OPTIONS = {
    "address": "--address HOST:PORT with --engine ray",
    "csv": "--csv FILE",
    "data": "--data SOURCE",
    "device": "--device auto, cpu or cuda",
    "engine": "--engine processes or ray",
    "jobs": "--jobs N",
    "json": "--json FILE",
    "max_seeds": "--max-seeds N with --until decided",
    "overrides": "--set KEY=VALUE",
    "path": "--out DIR",
    "recipes": "--recipes A,B",
    "trust": "--trust",
    "until": "--until decided",
    "wait": "--wait, or --out DIR",
}
"""What to type to change the Python parameter that an error is about."""


def _option_for(error: BakeoffError) -> str:
    option = OPTIONS.get(error.parameter or "")
    return f" (on the command line: {option})" if option else ""
