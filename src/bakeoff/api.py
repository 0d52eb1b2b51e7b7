"""run(), open_result() and compare(): the entry points of Python and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BakeoffError
from bakeoff.files import check_current_folder
from bakeoff.own_code import refuse_in_import
from bakeoff.store import count_unfinished, load_study_folder, refuse_in_use
from bakeoff.study import Study, load_study
from bakeoff.text import encodable, list_some

if TYPE_CHECKING:
    # Imported later, when the workers have started, which import PyTorch at the same time.
    from bakeoff.analysis.scores.own import Metric
    from bakeoff.comparison_result import ComparisonResult
    from bakeoff.data.sources.arrays import ImageArrays
    from bakeoff.result import Result

ARRAYS = "arrays"


def run(
    study: Study | str | Path,
    path: str | Path | None = None,
    *,
    data: str | ImageArrays | Mapping[str, Any] | None = None,
    until: str | None = None,
    max_seeds: int | None = None,
    metric: Metric | None = None,
    jobs: int | None = None,
    device: str = "cpu",
    engine: str = "processes",
    address: str | None = None,
    progress: bool = True,
    check: bool = True,
    wait: bool = False,
) -> Result:
    """Train the runs that the study folder does not contain yet, and return all results.

    In a script that defines a model or augmentation, call it below `if __name__ == "__main__":`, because
    worker processes import the script then.

    Parameters
    ----------
    study
        A study, the name of a built-in one, or the path of a TOML file.
    path
        The study folder; by default results/NAME.
    data
        A source such as `folder:my-images`, or images in memory: `ImageArrays`, or a dict of what it takes,
        `{"train": ..., "test": ...}`; by default the study's own.
    until, max_seeds
        `until="decided"` adds seeds in rounds, up to `max_seeds` per recipe; by default as in the study.
    metric
        What decides the verdicts: the name of a score, such as "macro_f1", which replaces the study's
        `compare.metric`; or a function, see `bakeoff.own_metric`, for the returned result alone.
    jobs
        The number of parallel runs, one thread each; by default one per core.
    device
        "cpu", "cuda", or "auto": the GPU if there is one.
    engine
        "processes" on this machine, or "ray".
    address
        Address of a Ray cluster; by default Ray is started on this machine.
    progress
        Whether to show the progress.
    check
        Whether to check the images for duplicates, leaks and other problems, while the first runs train.
    wait
        If another process uses the study folder, wait for it; otherwise an error is raised.

    Raises
    ------
    RunsFailedError
        If a run failed; its `result` has the results of the others.
    BakeoffError
        If the study, its data or a model is invalid; finished runs are kept.
    """
    from bakeoff.data import check_source
    from bakeoff.data.sources.arrays import ImageArrays, as_image_arrays
    from bakeoff.engines import open_engine

    refuse_in_import()
    check_current_folder()
    if isinstance(data, Mapping):
        data = as_image_arrays(data)
    if data is not None and not isinstance(data, str | ImageArrays):
        raise BakeoffError(
            f"data: found {type(data).__name__}; expected a source such as 'folder:my-images', "
            "bakeoff.ImageArrays(train=(images, labels)), or a dict with train"
        )
    if not isinstance(study, Study):
        study = load_study(study)
    arrays = data if isinstance(data, ImageArrays) else None
    source = ARRAYS if arrays is not None else data
    if source is not None:
        study = study.changed(data={"source": source})
    changes = {"until": until, "max_seeds": max_seeds}
    study = study.changed(**{key: value for key, value in changes.items() if value is not None})
    if isinstance(metric, str):
        study, metric = study.changed(compare={"metric": metric}), None
    elif metric is not None and study.until == "decided":
        raise BakeoffError(
            'a function as metric cannot decide when to stop; choose a named score, or until="all_seeds"',
            "metric",
        )
    root = study_folder(study, path)
    if arrays is None:
        check_source(study.data)
    if not wait:
        refuse_in_use(root)
    num_runs = count_unfinished(root, study)
    with ExitStack() as stack:
        opened = stack.enter_context(
            open_engine(engine, device=device, jobs=jobs, address=address, num_runs=num_runs)
        )
        # Imported here, when the workers have started, which import PyTorch at the same time.
        from bakeoff.running.run_study import Display, run_study

        display = Display()
        if progress:
            from rich.console import Console

            from bakeoff.terminal.progress import StudyDisplay

            console = Console()
            stack.enter_context(encodable(console.file))
            display = stack.enter_context(StudyDisplay(console, tries_steps=opened.device == "cpu"))
        runs = run_study(study, root, engine=opened, display=display, wait=wait, check=check, arrays=arrays)
        if study.tests:
            from bakeoff.predict.other_images import predict_others

            predict_others(root, progress=display.decoding, on_wait=display.waiting)
    result = open_result(root, metric=metric)
    if runs.failed:
        reasons = [f"{run.task}: {run.reason}" for run in runs.failed]
        raise RunsFailedError(
            f"{len(reasons)} of the study's runs failed; the others are in {root}, "
            f"see bakeoff.open_result({str(root)!r})\n{list_some(reasons)}",
            result,
        )
    return result


class RunsFailedError(BakeoffError):
    """Some runs of a study failed.

    Attributes
    ----------
    result
        The results of the others.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


def study_folder(study: Study, path: str | Path | None = None) -> Path:
    """The folder of a study's results: `path`, by default results/NAME."""
    return Path(path) if path is not None else Path("results") / study.name


def open_result(path: str | Path, *, metric: Metric | None = None) -> Result:
    """Open the results in a study folder.

    Parameters
    ----------
    path
        The study folder.
    metric
        What decides the verdicts, in place of the study's `compare.metric`: the name of a score, such as
        "macro_f1", or a function, see `bakeoff.own_metric`.

    Raises
    ------
    BakeoffError
        If it is not a study folder, is damaged, or contains no finished run; if there is no such metric.
    """
    from bakeoff.result import Result

    return Result(load_study_folder(Path(path)), metric)


def compare(
    labels: Any,
    predictions: Mapping[str, Any],
    *,
    groups: Any = None,
    class_names: Sequence[str] | None = None,
    metric: Metric = "accuracy",
    baseline: str | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
) -> ComparisonResult:
    """Compare recipes by predictions that any code has made for the same test images.

    Needs no PyTorch. Each array can be what NumPy takes: of pandas, PyTorch, Keras or lists.

    Parameters
    ----------
    labels
        [num_images], numbers or names of classes.
    predictions
        For each recipe [num_seeds, num_images] predicted classes, or [num_seeds, num_images, num_classes]
        probabilities, or a list with one such array per seed. The recipes may have unequal numbers of seeds.
    groups
        [num_images], which images belong together, such as those of one patient: the unit of intervals.
    class_names
        In the order of the columns of probabilities, and of labels and predictions that are whole numbers
        (unless the names are such numbers themselves). By default the numbers from 0 if the labels are such,
        otherwise the labels in ascending order.
    metric
        What decides the verdicts: the name of a score, such as "macro_f1", or a function, see
        `bakeoff.own_metric`.
    baseline
        Compare every other recipe with this one; None compares all pairs.
    margin
        The smallest difference that matters, in the unit of the metric (0.01 of a share is one percentage
        point).
    confidence
        Of the intervals, 0..1.

    Raises
    ------
    BakeoffError
        If shapes do not fit, a value is missing, probabilities do not sum to 1, a class is unknown, no
        prediction of a run is the label of any image, or the metric is unknown or cannot be computed.
    """
    from bakeoff.analysis.comparison.compare import compare as compare_predictions
    from bakeoff.comparison_result import ComparisonResult
    from bakeoff.prediction_files.arrays import read_arrays

    read = read_arrays(labels, predictions, groups, class_names)
    comparison = compare_predictions(
        read, metric=metric, baseline=baseline, margin=margin, confidence=confidence
    )
    return ComparisonResult(read, comparison)
