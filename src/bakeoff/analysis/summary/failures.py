"""FailureSummary: groups of images, confused classes, error rates, doubtful labels, failed cases."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from bakeoff.analysis.failures.attribution_maps import AttributionMaps
from bakeoff.analysis.failures.cases import FailedCase
from bakeoff.analysis.failures.confused_pairs import (
    ConfusedPair,
    PairDifferences,
    PairOfClasses,
    pair_differences,
    pairs_by_classes,
)
from bakeoff.analysis.failures.evidence import FailureEvidence
from bakeoff.analysis.failures.groups import GroupName
from bakeoff.analysis.failures.sentences import Sentence, describe
from bakeoff.analysis.failures.trends import ErrorTrend, ImageProperty, largest_differences, properties

MOST_RECIPES_IN_PAIRS = 3
"""With more recipes, each is compared with the first only."""


@dataclass(frozen=True)
class GroupDifference:
    """How many more images recipe b has right than recipe a, mean over seeds, by group of images."""

    a: str
    b: str
    images: dict[GroupName, float]


@dataclass(frozen=True, eq=False)
class FailureSummary:
    """What a report shows about failures, apart from single cases.

    Attributes
    ----------
    evidence
        All measurements.
    confidence
        Of the intervals of confused classes, 0..1; above 0.95 if they have to hold over several interim
        looks.
    """

    evidence: FailureEvidence
    confidence: float

    @cached_property
    def pairs_by_classes(self) -> tuple[PairOfClasses, ...]:
        """The most frequent confusions of each recipe, each with the counts of all recipes."""
        return pairs_by_classes(self.evidence.predictions, confidence=self.confidence)

    @property
    def confused_pairs(self) -> tuple[ConfusedPair, ...]:
        """The same as one list."""
        return tuple(pair for classes in self.pairs_by_classes for pair in classes.by_recipe)

    @cached_property
    def pair_differences(self) -> PairDifferences:
        """Where recipes differ significantly in confused classes, and the number of tests."""
        return pair_differences(self.evidence.predictions, confidence=self.confidence)

    @property
    def group_differences(self) -> tuple[GroupDifference, ...]:
        """What each group of images contributes to the differences between recipes."""
        recipes, groups = self.evidence.recipes, self.evidence.groups
        pairs = [(a, b) for a, b in combinations(recipes, 2)]
        if len(recipes) > MOST_RECIPES_IN_PAIRS:
            pairs = pairs[: len(recipes) - 1]
        return tuple(
            GroupDifference(a, b, groups.difference(recipes[a].difficulty, recipes[b].difficulty))
            for a, b in pairs
        )

    @property
    def trends(self) -> tuple[ErrorTrend, ...]:
        """Error rate by quarter of each property, for each recipe."""
        return tuple(trend for recipe in self.evidence.recipes.values() for trend in recipe.trends)

    @cached_property
    def properties(self) -> tuple[ImageProperty, ...]:
        """The differences within classes of all recipes, for each tested quarter."""
        return properties(self.trends)

    @property
    def largest_trends(self) -> dict[str, tuple[tuple[str, ...], int]]:
        """For each recipe the largest differences in sentences, and the number of the others."""
        return {name: largest_differences(recipe.trends) for name, recipe in self.evidence.recipes.items()}

    @property
    def attributions(self) -> dict[str, AttributionMaps]:
        """Of each recipe that has them."""
        recipes = self.evidence.recipes.items()
        return {name: recipe.attributions for name, recipe in recipes if recipe.attributions}

    @property
    def has_norms(self) -> bool:
        """Whether training images were stored."""
        return bool(self.evidence.norms.values)

    @property
    def has_neighbours(self) -> bool:
        """Whether features of all recipes were stored."""
        return all(recipe.neighbors is not None for recipe in self.evidence.recipes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `failures` in summary.json."""
        groups, doubts, differences = self.evidence.groups, self.evidence.doubts, self.pair_differences
        ids = self.evidence.predictions.image_ids
        return {
            "groups": {
                "counts": groups.counts,
                "expected_by_luck": groups.expected_by_luck,
                "threshold": groups.threshold,
                "differences": self.group_differences,
            },
            "confused_pairs": [asdict(pair) | {"share": pair.share} for pair in self.confused_pairs],
            "pair_differences": {
                "num_tested": differences.num_tested,
                "false_discovery_rate": differences.false_discovery_rate,
                "beyond_luck": [
                    asdict(pair) | {"difference": pair.difference} for pair in differences.beyond_luck
                ],
            },
            "trends": [
                {
                    "recipe": trend.recipe,
                    "fact": trend.fact.name,
                    "meaning": trend.fact.meaning,
                    "lowest": trend.fact.lowest,
                    "highest": trend.fact.highest,
                    "quarters": trend.quarters,
                    "ends": trend.ends,
                    "sentences": trend.sentences(),
                }
                for trend in self.trends
            ],
            "label_doubts": {
                "num_flagged": doubts.num_flagged,
                "num_images": doubts.num_images,
                "agreement": doubts.agreement,
                "doubts": [asdict(doubt) | {"image_id": ids[doubt.index]} for doubt in doubts.doubts],
            }
            if doubts
            else None,
            "attributions": [
                {
                    "recipe": name,
                    "num_maps": len(maps.images),
                    "num_left_out": maps.num_left_out,
                    "median_error": maps.median_error,
                    "median_half_area": maps.median_half_area,
                    "median_border_share": maps.median_border_share,
                    "border_area": maps.border_area,
                }
                for name, maps in self.attributions.items()
            ],
            "has_norms": self.has_norms,
            "has_neighbours": self.has_neighbours,
        }


@dataclass(frozen=True)
class DescribedCase:
    """A failed case with the sentences that describe it."""

    case: FailedCase
    findings: tuple[Sentence, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return an entry of `failed_cases` in summary.json."""
        share = self.case.confusion_share
        return asdict(self.case) | {"confusion_share": share, "findings": self.findings}


def describe_cases(evidence: FailureEvidence) -> tuple[DescribedCase, ...]:
    """Choose one failed case for each recipe and class, and describe what was measured about it."""
    return tuple(DescribedCase(case, describe(case, evidence)) for case in evidence.chosen_cases())
