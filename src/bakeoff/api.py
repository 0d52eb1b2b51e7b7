"""Result: a study folder as arrays, tables and figures; run() makes one, open_result() opens one."""

from __future__ import annotations

import html
import multiprocessing
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.metric import Metric, MetricComparison, compare_metric
from bakeoff.analysis.comparison.of_study import study_plan
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.summary.recipes import FinishedRecipe
from bakeoff.analysis.summary.study import Summary
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.store import StoredStudy, count_unfinished, load_study_folder
from bakeoff.study import Study, load_study
from bakeoff.text import interval_points, list_some, points

if TYPE_CHECKING:
    import pandas as pd

    from bakeoff.data.sources.arrays import ImageArrays
    from bakeoff.predict.model import TrainedModel
    from bakeoff.report.figures.drawing import ReportFigure


ARRAYS = "arrays"


def run(
    study: Study | str | Path,
    path: str | Path | None = None,
    *,
    data: str | ImageArrays | None = None,
    until: str | None = None,
    max_seeds: int | None = None,
    jobs: int | None = None,
    device: str = "cpu",
    engine: str = "processes",
    address: str | None = None,
    progress: bool = True,
    check: bool = True,
    wait: bool = False,
) -> Result:
    """Train what a study's folder does not hold yet, and give all results.

    Call it below `if __name__ == "__main__":` in a script, because worker processes import the script.

    Parameters
    ----------
    study
        A study, the name of a built-in one, or the path of a TOML file.
    path
        The study folder; by default results/NAME.
    data
        A source such as `folder:my-images`, or images in memory; by default the study's own.
    until, max_seeds
        `until="decided"` adds seeds in rounds, up to `max_seeds` a recipe; by default as the study says.
    jobs
        Runs that go on at once, one thread each; by default one a core.
    device
        "cpu", "cuda", or "auto": the GPU where there is one.
    engine
        "processes" on this machine, or "ray".
    address
        Of a Ray cluster; by default Ray is started on this machine.
    progress
        Show it.
    check
        Look for duplicates, leaks and other problems among the images too, while the first runs train.
    wait
        If another process works in the study folder, wait for it; else the folder is refused.

    Raises
    ------
    RunsFailedError
        If a run failed; its `result` has the others.
    BakeoffError
        If the study, its data or a model cannot be used; finished runs are kept.
    """
    from bakeoff.data import check_source
    from bakeoff.data.sources.arrays import ImageArrays
    from bakeoff.engines import open_engine

    _refuse_inside_an_import()
    if data is not None and not isinstance(data, str | ImageArrays):
        raise BakeoffError(
            f"data: found {type(data).__name__}; expected a source such as 'folder:my-images', "
            "or bakeoff.ImageArrays(train=(images, labels))"
        )
    if not isinstance(study, Study):
        study = load_study(study)
    arrays = data if isinstance(data, ImageArrays) else None
    source = ARRAYS if arrays is not None else data
    if source is not None:
        study = study.changed(data={"source": source})
    changes = {"until": until, "max_seeds": max_seeds}
    study = study.changed(**{key: value for key, value in changes.items() if value is not None})
    root = study_folder(study, path)
    if arrays is None:
        check_source(study.data)
    num_runs = count_unfinished(root, study.recipes, study.seeds)
    with ExitStack() as stack:
        opened = stack.enter_context(
            open_engine(engine, device=device, jobs=jobs, address=address, num_runs=num_runs)
        )
        # Late: the workers have started, and load PyTorch at the same time.
        from bakeoff.run_study import run_study

        display = None
        if progress:
            from rich.console import Console

            from bakeoff.terminal.progress import StudyDisplay

            display = stack.enter_context(StudyDisplay(Console()))
        outcome = run_study(
            study, root, engine=opened, display=display, wait=wait, check=check, arrays=arrays
        )
    result = open_result(root)
    if outcome.failed:
        reasons = [f"{run.task.recipe}, seed {run.task.seed}: {run.reason}" for run in outcome.failed]
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
    """Where a study's results go: `path`, by default results/NAME."""
    return Path(path) if path is not None else Path("results") / study.name


def _refuse_inside_an_import() -> None:
    """A worker process imports the script that started it; unguarded, that would start a study in it."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise BakeoffError(
            "bakeoff.run() was reached while a worker process imported this script; "
            'put the call below a line `if __name__ == "__main__":`'
        )


def open_result(path: str | Path) -> Result:
    """The results in a study folder.

    Raises
    ------
    BakeoffError
        If it is no study folder, is damaged, or no run in it is finished.
    """
    return Result(load_study_folder(Path(path)))


class Result:
    """All results of a study; in a notebook it shows its comparison.

    Attributes
    ----------
    summary
        What the report shows, as values: recipes, comparison, failures.
    """

    def __init__(self, stored: StoredStudy) -> None:
        self.summary = Summary(stored)

    @property
    def stored(self) -> StoredStudy:
        """The arrays as they were read: images, labels, and each run's logits, history and dynamics."""
        return self.summary.stored

    @property
    def path(self) -> Path:
        """The study folder."""
        return self.stored.root

    @property
    def study(self) -> Study:
        """What was asked."""
        return self.stored.study

    @property
    def class_names(self) -> tuple[str, ...]:
        """In label order."""
        return self.stored.class_names

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """int64 [num_test_images]."""
        return self.stored.test_labels

    @property
    def predictions(self) -> Predictions:
        """What every finished run says of the test images."""
        return self.summary.predictions

    def probabilities(self, recipe: str) -> NDArray[np.float32]:
        """float32 [num_seeds, num_test_images, num_classes] of a recipe's finished runs.

        Raises
        ------
        BakeoffError
            If the recipe has no finished run.
        """
        self._finished(recipe)
        found = self.predictions.recipe(recipe).probabilities
        assert found is not None  # a study's runs all have them
        return found

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a finished run: recipe, seed, test accuracy, checkpoint_epoch, num_parameters, seconds."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "recipe": run.recipe,
                    "seed": run.seed,
                    "accuracy": float((run.test_logits.argmax(1) == self.test_labels).mean()),
                    "checkpoint_epoch": run.checkpoint_epoch,
                    "num_parameters": run.num_parameters,
                    "seconds": run.seconds,
                }
                for run in self.stored.runs
            ]
        )

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch of a run: recipe, seed, and the columns of history.csv."""
        import pandas as pd

        tables = []
        for run in self.stored.runs:
            table = pd.DataFrame(run.history).astype({"epoch": int})
            table.insert(0, "recipe", run.recipe)
            table.insert(1, "seed", run.seed)
            tables.append(table)
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def confusion(self, recipe: str) -> pd.DataFrame:
        """Mean count over seeds of test images by true class (rows) and predicted class (columns)."""
        import pandas as pd

        names = list(self.class_names)
        return pd.DataFrame(
            self._finished(recipe).results.confusion.mean,
            index=pd.Index(names, name="true"),
            columns=pd.Index(names, name="predicted"),
        )

    @property
    def comparison(self) -> Comparison:
        """The comparison by accuracy, as the study asks: its baseline, margin and confidence.

        Raises
        ------
        BakeoffError
            If no run is finished.
        """
        if self.summary.comparison is None:
            raise BakeoffError(f"{self.path} has no finished run to compare")
        return self.summary.comparison

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row a pair: a, b, difference (b - a, 0..1), low, high, p_holm, verdict."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "difference": pair.difference,
                    "low": pair.interval[0],
                    "high": pair.interval[1],
                    "p_holm": pair.p_holm,
                    "verdict": pair.verdict,
                }
                for pair in self.comparison.pairs
            ]
        )

    def compare(self, metric: Metric) -> MetricComparison:
        """Compare the recipes by a score of your own; see `bakeoff.analysis.comparison.metric`.

        Parameters
        ----------
        metric
            From labels [num_images] and probabilities [num_images, num_classes] of one run to one score an
            image, True and False or numbers; the recipes are compared by its mean.
        """
        study = self.study
        finished = [recipe.name for recipe in self.predictions.recipes]
        baseline = study.baseline if study.baseline in finished else None
        level = study_plan(study).level
        return compare_metric(self.predictions, metric, baseline=baseline, confidence=level)

    @cached_property
    def figures(self) -> Mapping[str, ReportFigure]:
        """The report's figures by name, such as `loss-RECIPE`; a notebook shows the one it is given."""
        from bakeoff.report.figures.of_study import study_figures

        return study_figures(self.summary).by_name()

    def model(self, recipe: str, seed: int = 0, *, trust: bool = False) -> TrainedModel:
        """A finished run as a model: `.probabilities(images)` answers as evaluation did.

        A model that is code of somebody else's is run only with `trust=True`.

        Raises
        ------
        BakeoffError
            If there is no such run, or its model cannot be built.
        """
        from bakeoff.predict.model import load_model

        return load_model(self.path, recipe, seed, trust=trust)

    def report(self) -> Path:
        """Write the report; gives the path of its page."""
        from bakeoff.report import build_report

        return build_report(self.summary)

    def _finished(self, recipe: str) -> FinishedRecipe:
        finished = {found.name: found for found in self.summary.finished}
        if recipe not in finished:
            names = ", ".join(finished) or "none"
            raise BakeoffError(f"no finished run of a recipe {recipe!r}; there are {names}")
        return finished[recipe]

    def __repr__(self) -> str:
        if not self.stored.runs:
            return f"Result({str(self.path)!r}): no finished run"
        lines = [f"Result({str(self.path)!r}): {len(self.stored.runs)} runs"]
        for recipe in self.comparison.recipes:
            lines.append(f"  {recipe.name}: {points(recipe.accuracy)} % ({interval_points(recipe.interval)})")
        return "\n".join([*lines, self.comparison.conclusion])

    def _repr_html_(self) -> str:
        """Show accuracies, differences and the conclusion in a notebook."""
        if not self.stored.runs:
            return f"<p>{html.escape(repr(self))}</p>"
        comparison = self.comparison
        recipes = [
            (recipe.name, recipe.num_seeds, points(recipe.accuracy), interval_points(recipe.interval))
            for recipe in comparison.recipes
        ]
        pairs = [
            (f"{pair.b} − {pair.a}", points(pair.difference), interval_points(pair.interval), pair.verdict)
            for pair in comparison.pairs
        ]
        interval = f"{100 * comparison.confidence:g} % interval"
        tables = html_table(("recipe", "seeds", "accuracy, %", interval), recipes)
        if pairs:
            tables += html_table(("difference", "points", interval, "verdict"), pairs)
        return f"{tables}<p>{html.escape(comparison.conclusion)}</p>"


def html_table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A table for a notebook, everything escaped."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
