"""Summary: the results of a study, each part computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bakeoff.analysis.comparison.answer import Answer, answer
from bakeoff.analysis.comparison.luck import describe_luck
from bakeoff.analysis.comparison.of_study import compare_study, study_looks
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.comparison.tuning import Tuning, study_tuning
from bakeoff.analysis.failures.evidence import FailureEvidence, study_evidence
from bakeoff.analysis.learning_curve.curve import LearningCurve, study_learning_curve
from bakeoff.analysis.summary.answer import DataTrust, data_trust, val_accuracies
from bakeoff.analysis.summary.costs import Costs, study_costs
from bakeoff.analysis.summary.failures import DescribedCase, FailureSummary, describe_cases
from bakeoff.analysis.summary.other_images import OtherTest, compare_others
from bakeoff.analysis.summary.recipes import FinishedRecipe, RecipeSummary, summarize_recipes
from bakeoff.files import jsonable

if TYPE_CHECKING:
    from bakeoff.analysis.comparison.looks import Looks
    from bakeoff.analysis.scores.by_name import Score
    from bakeoff.predictions import Predictions
    from bakeoff.store import StoredStudy
    from bakeoff.store.checks import DataFacts
    from bakeoff.study import Study

SUMMARY_VERSION = 1
"""Version of the format of summary.json; increased when the meaning of a key changes."""


@dataclass(frozen=True, eq=False)
class Summary:
    """The results of a study as the report, the terminal and the Python API show them.

    Each part is computed on first access, then cached: all readers of one summary see the same numbers, and
    those who only need the comparison do not wait for the analysis of failures.

    Attributes
    ----------
    stored
        All results as read from the study folder.
    metric
        What decides the verdicts, if not the study's metric.
    """

    stored: StoredStudy
    metric: Score | None = None

    @property
    def study(self) -> Study:
        """The study."""
        return self.stored.study

    @cached_property
    def data(self) -> DataFacts:
        """The data set."""
        return self.stored.data_facts()

    @cached_property
    def predictions(self) -> Predictions:
        """The predictions of every finished run for the test images."""
        return self.stored.predictions()

    @cached_property
    def looks(self) -> Looks | None:
        """The interim looks at the comparison; None if seeds are not added until decided."""
        return study_looks(self.stored, self.predictions)

    @cached_property
    def comparison(self) -> Comparison | None:
        """The comparison that the study defines; None without a finished run."""
        return compare_study(self.stored, self.predictions, self.looks, self.metric)

    @cached_property
    def luck(self) -> str:
        """What differs between the runs of a recipe, and so what the intervals over seeds allow for."""
        return describe_luck(self.study, self.stored.data["counts"])

    @cached_property
    def tuning(self) -> Tuning | None:
        """How recipes were tuned; None if none was."""
        return study_tuning(self.study, self.stored.trials)

    @cached_property
    def tests(self) -> tuple[OtherTest, ...]:
        """The comparison on each of the study's other sets of test images."""
        return compare_others(self.stored, self.predictions, self.metric)

    @cached_property
    def learning_curve(self) -> LearningCurve | None:
        """Scores against the number of training images; None if no run had fewer than all."""
        return study_learning_curve(self.stored, self.predictions, self.metric)

    @cached_property
    def answer(self) -> Answer | None:
        """The comparison in a few sentences; None without a finished run."""
        return answer(self.comparison, val_accuracies(self.stored)) if self.comparison else None

    @cached_property
    def data_trust(self) -> DataTrust:
        """What the data check means for the accuracies."""
        return data_trust(self.stored.audit, sum(self.data.counts["test"]))

    @cached_property
    def recipes(self) -> tuple[RecipeSummary, ...]:
        """All recipes, in the study's order."""
        return summarize_recipes(self.stored, self.predictions, self.looks)

    @property
    def finished(self) -> tuple[FinishedRecipe, ...]:
        """The recipes that have results."""
        return tuple(recipe for recipe in self.recipes if isinstance(recipe, FinishedRecipe))

    @cached_property
    def costs(self) -> Costs | None:
        """What each recipe costs, beside the verdicts; None without a finished run."""
        return study_costs(self.finished, self.stored.costs, self.comparison) if self.comparison else None

    @cached_property
    def evidence(self) -> FailureEvidence | None:
        """All measurements of failed cases, the slowest part; None without a finished run."""
        return study_evidence(self.stored, self.predictions)

    @cached_property
    def failed_cases(self) -> tuple[DescribedCase, ...]:
        """One for each recipe and class with a misclassified image."""
        return describe_cases(self.evidence) if self.evidence else ()

    @cached_property
    def failures(self) -> FailureSummary | None:
        """Groups of images, confused classes, error rates, doubtful labels; None without a finished run."""
        if self.evidence is None:
            return None
        return FailureSummary(self.evidence, self.looks.level if self.looks else 0.95)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of summary.json: dicts, lists, str, int, float, bool and None; no NaN.

        Accuracies are in 0..1, times in seconds, classes indices into `data.class_names`.

        - `study`: name, description, requested seeds, until, max_seeds, baseline, margin, confidence, metric;
        - `data`, `environment`, `audit` (None if the images were not checked): as stored;
        - `recipes`: see `RecipeSummary`;
        - `luck`: what differs between the runs of a recipe, as a sentence;
        - `costs`: of each recipe in its order, and which recipes are dominated, see `Costs`; None without a
          finished run;
        - `tuning`: see `Tuning`; None if no recipe was tuned;
        - `tests`: on other images, see `OtherTest`;
        - `learning_curve`: see `LearningCurve`; None if no run had fewer than all training images;
        - `failed_cases`: see `DescribedCase`;
        - `failures`: see `FailureSummary`;
        - `comparison`: the content of comparison.json.
        """
        study = self.study
        content: dict[str, Any] = jsonable(
            {
                "summary_version": SUMMARY_VERSION,
                "study": {
                    "name": study.name,
                    "description": study.description,
                    "seeds": study.seeds,
                    "until": study.until,
                    "max_seeds": study.most_seeds,
                    "baseline": study.baseline,
                    "margin": study.margin,
                    "confidence": study.confidence,
                    "metric": study.compare.metric,
                },
                "data": self.stored.data,
                "environment": self.stored.environment,
                "audit": self.stored.audit,
                "recipes": [recipe.to_dict(self.stored.class_names) for recipe in self.recipes],
                "luck": self.luck,
                "costs": self.costs.to_dict() if self.costs else None,
                "tuning": self.tuning.to_dict() if self.tuning else None,
                "tests": self.tests,
                "learning_curve": self.learning_curve.to_dict() if self.learning_curve else None,
                "failed_cases": [case.to_dict() for case in self.failed_cases],
                "failures": self.failures.to_dict() if self.failures else None,
                "comparison": self.comparison,
            }
        )
        return content
