"""What is logged of a study, the same for every tracker."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.store import Layout
from bakeoff.store.run_files import stored_identity
from bakeoff.study.recipe import flatten_settings

if TYPE_CHECKING:
    from bakeoff.analysis.comparison.result import Comparison
    from bakeoff.analysis.summary.study import Summary


@dataclass(frozen=True)
class RunLog:
    """A finished run.

    Attributes
    ----------
    key
        Identifies its results: of a run that is trained again with other settings, it is another one.
    settings
        Of the recipe, by dotted path, and the seed.
    epochs
        By the name of a metric its value after each epoch; NaN where it is not known.
    scores
        Of the finished run, by name; shares in 0..1, times in seconds.
    """

    key: str
    recipe: str
    seed: int
    settings: Mapping[str, Any]
    epochs: Mapping[str, NDArray[Any]]
    scores: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.recipe} seed {self.seed}"


@dataclass(frozen=True)
class StudyLog:
    """A study: its comparison, and its finished runs.

    Attributes
    ----------
    key
        Identifies the study by its name and images.
    content
        Identifies the results of the comparison.
    settings
        Of the comparison.
    scores
        By recipe its score and interval, and by pair its difference, such as `b - a`.
    verdicts
        By pair.
    conclusion
        The answer as a sentence.
    """

    key: str
    content: str
    name: str
    description: str
    settings: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, float]]
    verdicts: Mapping[str, str]
    conclusion: str
    runs: tuple[RunLog, ...]
    comparison: Mapping[str, Any]


def study_log(summary: Summary) -> StudyLog:
    """What is logged of a study.

    Raises
    ------
    BakeoffError
        If no run is finished.
    """
    comparison, study = summary.comparison, summary.study
    if comparison is None:
        raise BakeoffError(f"{summary.stored.root} has no finished run to log")
    as_dict = comparison.to_dict()
    return StudyLog(
        key=_digest(study.name, summary.data.fingerprint),
        content=_digest(as_dict),
        name=study.name,
        description=study.description,
        settings={
            "data.source": summary.data.source,
            "data.fingerprint": summary.data.fingerprint,
            "metric": comparison.metric,
            "margin": comparison.margin,
            "confidence": comparison.confidence,
            "baseline": comparison.baseline or "",
            "num_test_images": comparison.num_images,
        },
        scores=_scores(comparison),
        verdicts={_pair(pair): pair.verdict for pair in comparison.pairs},
        conclusion=comparison.conclusion,
        runs=_runs(summary, comparison),
        comparison=as_dict,
    )


def _runs(summary: Summary, comparison: Comparison) -> tuple[RunLog, ...]:
    layout, study = Layout(summary.stored.root), summary.study
    scores = {(recipe.name, run.seed): run for recipe in comparison.recipes for run in recipe.runs}
    runs = []
    for run in summary.stored.runs:
        score = scores[run.recipe, run.seed]
        values: dict[str, float | None] = {
            "test_accuracy": score.accuracy,
            f"test_{comparison.metric}": score.score,
            "best_epoch": run.checkpoint_epoch,
            "training_seconds": run.seconds,
            "num_parameters": run.num_parameters,
        }
        identity = stored_identity(layout, run.recipe, run.seed)
        runs.append(
            RunLog(
                _digest(study.name, run.recipe, run.seed, identity),
                run.recipe,
                run.seed,
                {**flatten_settings(study.recipes[run.recipe]), "recipe": run.recipe, "seed": run.seed},
                {name: column for name, column in run.history.items() if name != "epoch"},
                {name: float(value) for name, value in values.items() if value is not None},
            )
        )
    return tuple(runs)


def _scores(comparison: Comparison) -> dict[str, dict[str, float]]:
    scores = {
        recipe.name: {comparison.metric: recipe.score, "low": recipe.interval[0], "high": recipe.interval[1]}
        for recipe in comparison.recipes
    }
    scores |= {
        _pair(pair): {
            "difference": pair.difference,
            "low": pair.interval[0],
            "high": pair.interval[1],
            "p_holm": pair.p_holm,
        }
        for pair in comparison.pairs
    }
    return {name: _finite(values) for name, values in scores.items()}


def _pair(pair: Any) -> str:
    return f"{pair.b} - {pair.a}"


def _finite(values: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)
    }


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
