"""The worked examples of docs/statistics, recomputed from the numbers that the pages give."""

import re
from pathlib import Path

import numpy as np
import pytest

from bakeoff.analysis.comparison.look_plan import LookPlan
from bakeoff.analysis.comparison.looks import chance_of_decision
from bakeoff.analysis.statistics.calibration import (
    brier_scores,
    calibration_gaps,
    equal_mass_bins,
    expected_if_calibrated,
    log_losses,
)
from bakeoff.analysis.statistics.crossed import crossed_interval, summarize_scores, variance_parts
from bakeoff.analysis.statistics.expected_best import expected_best
from bakeoff.analysis.statistics.fixed_and_broken import fixed_and_broken
from bakeoff.analysis.statistics.mcnemar import mcnemar_exact
from bakeoff.analysis.statistics.multiple_testing import benjamini_hochberg, holm
from bakeoff.analysis.statistics.noise_budget import noise_budget
from bakeoff.analysis.statistics.outperformance import probability_of_outperforming
from bakeoff.analysis.statistics.what_it_takes import what_it_takes
from bakeoff.analysis.statistics.wilson import wilson_interval

PAGES = Path(__file__).resolve().parents[3] / "docs" / "statistics"


def numbers_on(page: str) -> dict[str, list[float]]:
    """`name = 1, 2` on a page, by name."""
    text = (PAGES / f"{page}.md").read_text("utf-8")
    found = re.findall(r"`(\w+) = (-?[\d.]+(?:, -?[\d.]+)*)`", text)
    return {name: [float(value) for value in values.split(", ")] for name, values in found}


def example() -> tuple[np.ndarray, np.ndarray]:
    """bool [3, 8] of A and of B from the table in index.md."""
    rows = re.findall(
        r"^\| ([AB]) \| \d \| ([01 ]+) \|$", (PAGES / "index.md").read_text("utf-8"), re.MULTILINE
    )
    runs = {
        name: [[digit == "1" for digit in row.split()] for who, row in rows if who == name] for name in "AB"
    }
    return np.array(runs["A"]), np.array(runs["B"])


def computed() -> dict[str, dict[str, list[float]]]:
    a, b = example()
    summary_a, summary_b = summarize_scores(a), summarize_scores(b)
    parts = variance_parts(summary_b, summary_a)
    interval = crossed_interval(summary_b, summary_a)
    budget = noise_budget(summary_a)
    wide = what_it_takes(interval, margin=0.4, confidence=0.95)
    narrow = what_it_takes(interval, margin=0.25, confidence=0.95)
    assert wide.chances is not None
    fixed, broken = fixed_and_broken(summary_a.image_means, summary_b.image_means)
    low, high = wilson_interval(4, 8)
    alone = variance_parts(summary_a)
    new_run = alone.seed_components[0] + (alone.image_component + alone.residual_components[0]) / 8
    probabilities = np.array([[[0.7, 0.2, 0.1]]], np.float32)
    sure = np.array([0.5, 0.6, 0.8, 0.9])
    bins = equal_mass_bins(sure, 2)
    gaps = calibration_gaps(sure, np.array([True, False, True, True]), bins)
    looks = LookPlan((5, 7, 10))
    chance = chance_of_decision(interval, margin=0.25, confidence=0.95)
    groups = np.array([0, 0, 0, 1, 2, 2, 3, 3])
    group_a, group_b = summarize_scores(a, groups), summarize_scores(b, groups)
    by_group = variance_parts(group_b, group_a)
    best = expected_best(np.array([0.5, 0.6, 0.6, 0.8]))
    pages = {
        "expected-best": {
            **{f"best_of_{n}": float(value) for n, value in enumerate(best.mean, start=1)},
            "band_of_2": [float(best.low[1]), float(best.high[1])],
        },
        "groups": {
            "difference": crossed_interval(group_b, group_a).value,
            "d_groups": (group_b.image_means - group_a.image_means).tolist(),
            "V_img": by_group.image,
            "V_res_A": by_group.residual[1],
            "V_res_B": by_group.residual[0],
            "V": by_group.variance,
            "df": by_group.seed_degrees_of_freedom,
            "low": interval.value - by_group.half_width(0.95),
            "high": interval.value + by_group.half_width(0.95),
        },
        "looks": {"level": looks.level, "p_looks": looks.adjust(0.02), "chance": chance},
        "crossed-interval": {
            "difference": interval.value,
            "V_img": parts.image,
            "V_seed_A": parts.seed[1],
            "V_seed_B": parts.seed[0],
            "V_res_A": parts.residual[1],
            "V_res_B": parts.residual[0],
            "V": parts.variance,
            "df": parts.seed_degrees_of_freedom,
            "half_width": parts.half_width(0.95),
            "low": interval.low,
            "high": interval.high,
            "p": interval.p,
        },
        "multiple-testing": {
            "holm": holm([0.01, 0.04, 0.03]),
            "benjamini_hochberg": benjamini_hochberg([0.01, 0.04, 0.03]),
        },
        "probability-of-outperforming": {"p_outperform": probability_of_outperforming(a.sum(1), b.sum(1))},
        "fixed-and-broken": {"fixed": fixed, "broken": broken},
        "noise-budget": {
            "seed_std": budget.seed_std,
            "floor_std": budget.floor_std,
            "binomial_se": budget.binomial_se,
            "image_share": budget.image_share,
        },
        "what-it-takes": {
            "image_half_width": wide.image_half_width,
            "seeds_needed": wide.seeds_needed,
            **vars(wide.chances),
            "images_needed": narrow.images_needed,
            "images_needed_seeds": narrow.images_needed_seeds,
        },
        "mcnemar": {"p_mcnemar": mcnemar_exact(a[0], b[0])},
        "wilson": {"low": low, "high": high},
        "calibration": {
            "brier": brier_scores(probabilities, np.array([0])).item(),
            "log_loss": log_losses(probabilities, np.array([0])).item(),
            "ece": float(gaps.mean()),
            "ece_if_calibrated": expected_if_calibrated(sure, bins),
            "gap": 0.7 - 0.75,
        },
        "replication": {
            "variance": alone.variance + new_run,
            "df": (alone.variance + new_run) ** 2
            / ((alone.seed[0] * 4) ** 2 / 2 + (alone.image * 2) ** 2 / 7),
        },
    }
    return {
        page: {name: value if isinstance(value, list) else [value] for name, value in values.items()}
        for page, values in pages.items()
    }


@pytest.mark.parametrize("page", sorted(computed()))
def test_the_worked_example_on_a_page_is_what_the_code_gives(page: str) -> None:
    written, found = numbers_on(page), computed()[page]
    assert written.keys() == found.keys()
    for name, values in written.items():
        assert values == pytest.approx(found[name], rel=2e-4, abs=6e-6 if name.startswith("V") else 6e-5), (
            name
        )


def test_the_crossed_interval_of_the_example_follows_from_the_formula_alone() -> None:
    """The same page once more, in plain Python, without the code under test."""
    a, b = example()
    num_images = a.shape[1]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    def variance(values: list[float]) -> float:
        return sum((value - mean(values)) ** 2 for value in values) / (len(values) - 1)

    total = 0.0
    image_means = {}
    for name, runs in (("A", a.astype(int).tolist()), ("B", b.astype(int).tolist())):
        seed_means = [mean(run) for run in runs]
        image_means[name] = [mean([run[i] for run in runs]) for i in range(num_images)]
        squares = sum(
            (runs[s][i] - seed_means[s] - image_means[name][i] + mean(seed_means)) ** 2
            for s in range(3)
            for i in range(num_images)
        )
        total += variance(seed_means) / 3 - squares / (2 * (num_images - 1)) / (3 * num_images)
    d = [y - x for x, y in zip(image_means["A"], image_means["B"], strict=True)]
    total += variance(d) / num_images
    written = numbers_on("crossed-interval")
    assert written["V"] == pytest.approx([total], abs=6e-7)
    assert written["difference"] == pytest.approx([mean(d)])


def test_every_page_is_in_the_index() -> None:
    index = (PAGES / "index.md").read_text("utf-8")
    assert {page.name for page in PAGES.glob("*.md")} - {"index.md"} == set(
        re.findall(r"\(([\w-]+\.md)\)", index)
    )
