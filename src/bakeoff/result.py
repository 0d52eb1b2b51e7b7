"""Result: the results in a study folder as arrays, tables and figures."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.comparison.of_study import compare_study
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.scores.own import Metric, as_score
from bakeoff.analysis.summary.other_images import OtherTest
from bakeoff.analysis.summary.recipes import FinishedRecipe
from bakeoff.analysis.summary.study import Summary
from bakeoff.comparison_result import ComparisonResult
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions
from bakeoff.store import StoredStudy
from bakeoff.study import Study
from bakeoff.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from bakeoff.predict.model import TrainedModel
    from bakeoff.report.figures.drawing import ReportFigure


class Result(ComparisonResult):
    """The results of a study; a notebook displays the comparison.

    Attributes
    ----------
    summary
        The content of the report as values: recipes, comparison, failures.
    """

    def __init__(self, stored: StoredStudy, metric: Metric | None = None) -> None:
        self.summary = Summary(stored, None if metric is None else as_score(metric))

    @property
    def stored(self) -> StoredStudy:
        """The stored arrays: images, labels, and each run's logits, history and training dynamics."""
        return self.summary.stored

    @property
    def path(self) -> Path:
        """The study folder."""
        return self.stored.root

    @property
    def study(self) -> Study:
        """The study."""
        return self.stored.study

    @property
    def predictions(self) -> Predictions:
        """The predictions of every finished run for the test images."""
        return self.summary.predictions

    def probabilities(self, recipe: str) -> NDArray[np.float32]:
        """float32 [num_seeds, num_test_images, num_classes] of a recipe's finished runs.

        Raises
        ------
        BakeoffError
            If the recipe has no finished run.
        """
        self._finished(recipe)
        return super().probabilities(recipe)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per finished run: recipe, seed, accuracy, checkpoint_epoch, num_parameters, seconds."""
        import pandas as pd

        table = pd.DataFrame(
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
        # NA where it is not known: of other training code that returned no PyTorch model.
        return table.astype({"num_parameters": "Int64"}) if len(table) else table

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch of a run: recipe, seed, and the columns of history.csv."""
        import pandas as pd

        tables = []
        for run in self.stored.runs:
            table = pd.DataFrame(run.history).astype({"epoch": int})
            table.insert(0, "recipe", run.recipe)
            table.insert(1, "seed", run.seed)
            tables.append(table)
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    @cached_property
    def learning_curve(self) -> pd.DataFrame:
        """One row per recipe and number of training images: recipe, num_train, kind, seeds, score, low, high.

        `kind` is "measured", or "predicted" for twice the images, see `bakeoff.analysis.learning_curve`.

        Raises
        ------
        BakeoffError
            If no run had fewer than all training images.
        """
        import pandas as pd

        curve = self.summary.learning_curve
        if curve is None:
            raise BakeoffError(
                f"{self.path} has no learning curve; expected a study with train_sizes, such as "
                "[500, 1000, 2000], of which runs are finished"
            )
        columns = ["recipe", "num_train", "kind", "seeds", "score", "low", "high"]
        return pd.DataFrame(curve.rows, columns=columns).astype({"seeds": "Int64"})

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
        """The comparison, with the study's metric, baseline, margin and confidence.

        Raises
        ------
        BakeoffError
            If no run is finished.
        """
        if self.summary.comparison is None:
            raise BakeoffError(f"{self.path} has no finished run to compare")
        return self.summary.comparison

    @property
    def tests(self) -> dict[str, OtherTest]:
        """The recipes on the study's other test images, those of [tests.NAME], by name."""
        return {test.name: test for test in self.summary.tests}

    def compare(self, metric: Metric) -> Comparison:
        """Compare the recipes by another metric, with the study's baseline, margin and confidence.

        Parameters
        ----------
        metric
            The name of a score, such as "macro_f1" or "auroc"; or a function from labels [num_images] and
            probabilities [num_images, num_classes] of one run to its score, or to one score per image, see
            `bakeoff.own_metric`.

        Raises
        ------
        BakeoffError
            If no run is finished, or the metric is unknown or cannot be computed.
        """
        summary = self.summary
        comparison = compare_study(summary.stored, self.predictions, summary.looks, as_score(metric))
        if comparison is None:
            raise BakeoffError(f"{self.path} has no finished run to compare")
        return comparison

    @cached_property
    def figures(self) -> Mapping[str, ReportFigure]:
        """The report's figures by name, such as `loss-RECIPE`; a notebook can display them."""
        from bakeoff.report.figures.of_study import study_figures

        return study_figures(self.summary).by_name()

    def model(self, recipe: str, seed: int = 0, *, trust: bool = False) -> TrainedModel:
        """Load a finished run as a model, with `.probabilities(images)`.

        Custom model code written by somebody else is run only with `trust=True`.

        Raises
        ------
        BakeoffError
            If there is no such run, or its model cannot be built.
        """
        from bakeoff.predict.model import load_model

        return load_model(self.path, recipe, seed, trust=trust)

    def report(self, folder: str | Path | None = None) -> Path:
        """Write the study's report, or the comparison's alone into a folder; return the path of its page."""
        from bakeoff.report import build_report

        return build_report(self.summary) if folder is None else super().report(folder)

    def paper(self, folder: str | Path) -> Path:
        """Write methods, tables, references and a checklist for a paper into a new folder; return it.

        Raises
        ------
        BakeoffError
            If no run is finished, or the folder is not empty or cannot be written.
        """
        from bakeoff.paper import write_paper

        write_paper(self.summary, Path(folder))
        return Path(folder)

    def _finished(self, recipe: str) -> FinishedRecipe:
        finished = {summary.name: summary for summary in self.summary.finished}
        if recipe not in finished:
            names = ", ".join(finished) or "none"
            raise BakeoffError(f"recipe {recipe!r} has no finished run; recipes with finished runs: {names}")
        return finished[recipe]

    def __repr__(self) -> str:
        return super().__repr__() if self.stored.runs else f"{self._title()}: no finished run"

    def _title(self) -> str:
        runs = f": {counted(len(self.stored.runs), 'run')}" if self.stored.runs else ""
        return f"Result({str(self.path)!r}){runs}"

    def _repr_html_(self) -> str:
        """Show accuracies, differences and the conclusion in a notebook."""
        return super()._repr_html_() if self.stored.runs else f"<p>{html.escape(repr(self))}</p>"
