"""summarize_failures(): groups, confused pairs, trends and doubtful labels of a study as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from bakeoff.analysis.failures.confused_pairs import confused_pairs, pair_differences
from bakeoff.analysis.failures.evidence import FailureEvidence
from bakeoff.analysis.failures.sentences import describe


def summarize_failures(evidence: FailureEvidence, confidence: float = 0.95) -> dict[str, Any]:
    """Reduce the evidence about failures to what a report shows beside the single cases.

    Returns
    -------
    dict
        Of dicts, lists, numbers and text; shares in 0..1, classes as indices, images as indices and ids:

        - `groups`: `counts` by name, `expected_by_luck` of those decided by the recipe, `threshold`;
        - `confused_pairs`: the most frequent of each recipe, the mean count with its interval;
        - `pair_differences`: where recipes differ in them beyond luck, and how many were tested;
        - `trends`: error rate by quarter of each fact, and a sentence where it is beyond luck;
        - `label_doubts`: the most doubtful labels; None where that cannot be told;
        - `attributions`: of each recipe that has them, how many cases have a map and what is usual of them;
        - `has_norms`, `has_neighbours`: whether training images and features were stored.
    """
    predictions, groups = evidence.predictions, evidence.groups
    differences = pair_differences(predictions, confidence=confidence)
    ids = predictions.image_ids
    return {
        "groups": {
            "counts": groups.counts,
            "expected_by_luck": groups.expected_by_luck,
            "threshold": groups.threshold,
        },
        "confused_pairs": [
            asdict(pair) | {"share": pair.share}
            for pairs in confused_pairs(predictions, confidence=confidence).values()
            for pair in pairs
        ],
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
                "quarters": [asdict(quarter) for quarter in trend.quarters],
                "sentences": trend.sentences(),
            }
            for recipe in evidence.recipes.values()
            for trend in recipe.trends
        ],
        "label_doubts": {
            "num_flagged": evidence.doubts.num_flagged,
            "num_images": evidence.doubts.num_images,
            "agreement": evidence.doubts.agreement,
            "doubts": [asdict(doubt) | {"image_id": ids[doubt.index]} for doubt in evidence.doubts.doubts],
        }
        if evidence.doubts
        else None,
        "attributions": [
            {
                "recipe": name,
                "num_maps": len(recipe.attributions.images),
                "num_left_out": recipe.attributions.num_left_out,
                "median_error": recipe.attributions.median_error,
                "median_half_area": float(np.nanmedian(recipe.attributions.half_area)),
                "median_border_share": float(np.nanmedian(recipe.attributions.border_share)),
                "border_area": recipe.attributions.border_area,
            }
            for name, recipe in evidence.recipes.items()
            if recipe.attributions
        ],
        "has_norms": bool(evidence.norms.values),
        "has_neighbours": all(recipe.neighbours is not None for recipe in evidence.recipes.values()),
    }


def chosen_cases(evidence: FailureEvidence) -> list[dict[str, Any]]:
    """One failed case for each recipe and class, with the sentences about it and their numbers."""
    return [
        asdict(case)
        | {"confusion_share": case.confusion_share}
        | {"findings": [asdict(finding) for finding in describe(case, evidence)]}
        for case in evidence.chosen_cases()
    ]
