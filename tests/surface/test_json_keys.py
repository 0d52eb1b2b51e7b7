"""The keys of summary.json and comparison.json."""

import json
from typing import Any

from tests.surface.frozen import check_frozen

# `[]` is a list, and below it stand the keys of its elements; `*` are names that a study or sentence brings.
SUMMARY = """
summary_version
study
    name
    description
    seeds
    until
    max_seeds
    baseline
    margin
    confidence
    metric
data
    format_version
    source
    fingerprint
    image_size
    class_names[]
    counts
        train[]
        val[]
        test[]
    mean[]
    std[]
    notes[]
environment
    python
    packages
        *
    system
    processor
    cores
    workers
    threads_per_run
    device
    kernels
audit
    source
    fingerprint
    num_images
    findings[]
        severity
        kind
        count
        sentence
        advice
        num_groups
        pairs[]
            first
                split
                id
                label
            second
                split
                id
                label
            relation
            distance
        images[]
            split
            id
            label
    limits[]
recipes[]
    name
    settings
        *
    failures[]
        seed
        reason
    missing_seeds[]
    published
        test_accuracy
        test_images
        class_accuracies[]
        train_loss[]
            epoch
            value
        source
    results
        seeds[]
        accuracies[]
        mean
        sd
        class_accuracies
            mean[]
            sd[]
            per_seed[]
        confusion
            mean[]
            per_seed[]
        curves
            epoch[]
            train_loss
                mean[]
                per_seed[]
            train_accuracy
                mean[]
                per_seed[]
            val_loss
                mean[]
                per_seed[]
            val_accuracy
                mean[]
                per_seed[]
        checkpoint_epochs[]
        training_seconds[]
        mean_training_seconds
        num_parameters
        devices[]
luck
costs
    recipes[]
        name
        parameters
        multiply_accumulates
        milliseconds_per_image
        training_seconds
    conditions
    dominated[]
    sentence
tests[]
    name
    source
    comparison
    changes
        metric
        scale
            name
            unit
            higher_is_better
        margin
        confidence
        recipes[]
            name
            before
            after
            change
            interval[]
        pairs[]
            a
            b
            before
            after
            change
            interval[]
            p
            p_holm
            outcome
    notes[]
learning_curve
    metric
    confidence
    sizes[]
    predicted_size
    recipes[]
        name
        points[]
            size
            num_train
            num_seeds
            score
            interval[]
        prediction
            num_train
            value
            low
            high
    differences[]
        a
        b
        size
        difference
        interval[]
    crossings[]
    sentences[]
tuning
    metric
    recipes[]
        name
        spaces
            *
        num_trials
        trials[]
            number
            values
                *
            score
            seconds
            reason
        chosen
        edges[]
            setting
            value
            end
        expected
            mean[]
            low[]
            high[]
            level
    untuned[]
    leads[]
        from_trials
        recipe
    budgets
    budgets_differ
failed_cases[]
    recipe
    image_index
    image_id
    true
    predicted
    num_seeds
    num_wrong
    num_predicted
    true_probability
    predicted_probability
    confusion_count
    num_class_images
    confusion_share
    findings[]
        kind
        text
        numbers
            *
failures
    groups
        counts
            always right
            always wrong
            decided by the recipe
            luck of the seed
        differences[]
            a
            b
            images
                always right
                always wrong
                decided by the recipe
                luck of the seed
        expected_by_luck
        threshold
    confused_pairs[]
        recipe
        true
        predicted
        mean_count
        low
        high
        num_class_images
        share
    pair_differences
        num_tested
        false_discovery_rate
        beyond_luck[]
            true
            predicted
            recipe_a
            recipe_b
            mean_count_a
            mean_count_b
            low
            high
            p_value
            adjusted_p
            difference
    trends[]
        recipe
        fact
        meaning
        lowest
        highest
        quarters[]
            lowest_value
            highest_value
            num_images
            error_rate
                value
                low
                high
        ends[]
            high
            edge
            num_images
            inside
            elsewhere
            difference
                value
                low
                high
            within_class
                value
                low
                high
            p_value
            adjusted_p
        sentences[]
    label_doubts
        num_flagged
        num_images
        agreement
        doubts[]
            index
            rank
            label
            suggested
            label_probability
            suggested_probability
            image_id
    attributions[]
        recipe
        num_maps
        num_left_out
        median_error
        median_half_area
        median_border_share
        border_area
    has_norms
    has_neighbours
comparison
"""

COMPARISON = """
metric
scale
    name
    unit
    higher_is_better
confidence
margin
baseline
num_images
num_groups
recipes[]
    name
    num_seeds
    accuracy
    score
    interval[]
    runs[]
        seed
        accuracy
        score
        interval[]
    seed_std
    floor_std
    binomial_se
    image_share
    seed_share
    classes[]
        name
        num_images
        accuracy
        interval[]
        precision
        precision_interval[]
        f1
        f1_interval[]
    calibration
        ece
        ece_if_calibrated
        gap
        gap_interval[]
        brier
        brier_interval[]
        log_loss
        log_loss_interval[]
        bins[]
            num_predictions
            confidence
            accuracy
            interval[]
    replication
        published
        published_images
        interval[]
        inside
    secondary[]
        name
        scale
            name
            unit
            higher_is_better
        score
        interval[]
    overlap
    outlying
        seeds[]
        share
        interval[]
pairs[]
    a
    b
    compares
    difference
    interval[]
    p
    p_holm
    verdict
    model_verdict
    smaller_than_margin
    p_outperform
    fixed
    broken
    image_share
    seed_share
    degrees_of_freedom
    seeds_needed
    image_half_width
    images_needed
    images_needed_seeds
    chances
    what_it_takes
    without_outlying
    classes[]
        name
        num_images
        difference
        interval[]
        p
        p_fdr
        beyond_luck
notes[]
conclusion
looks
    planned[]
    level
    taken[]
        seeds
            *
        decided
        open[]
        limited[]
    stopped
    wanted
        *
"""

FREE = {
    "environment.packages",
    "recipes[].settings",
    "tuning.recipes[].spaces",
    "tuning.recipes[].trials[].values",
    "failed_cases[].findings[].numbers",
    "looks.taken[].seeds",
    "looks.wanted",
}


def key_paths(value: Any, table: str = "") -> set[str]:
    """The paths of all keys, a list as `[]`; what is once a list and once null is a list."""
    if isinstance(value, list):
        paths = {path for item in value for path in key_paths(item, table)}
        return {path for path in paths if f"{path}[]" not in paths}
    if not isinstance(value, dict):
        return set()
    if table in FREE:
        return {f"{table}.*"} if value else set()
    paths = set()
    for key, item in value.items():
        path = f"{table}.{key}" if table else key
        path += "[]" if isinstance(item, list) else ""
        paths |= {path, *key_paths(item, path)}
    return paths


def outlined_paths(outline: str) -> set[str]:
    """The same from an outline."""
    paths, above = set(), []
    for line in outline.strip("\n").splitlines():
        key = line.strip()
        depth = (len(line) - len(line.lstrip())) // 4
        above = [*above[:depth], key]
        paths.add(".".join(above))
    return paths


def test_keys_of_summary_json(study):
    summary = json.loads((study / "report" / "summary.json").read_text("utf-8"))
    comparison = json.loads((study / "report" / "comparison.json").read_text("utf-8"))
    assert summary["comparison"] == comparison
    for dominated in summary["costs"]["dominated"]:  # which depends on the times of this study
        assert dominated.keys() == {"recipe", "by", "verdict", "costs"}
    summary["costs"]["dominated"] = []
    summary["comparison"] = None  # its keys are the next test's
    for test in summary["tests"]:
        test["comparison"] = None
    check_frozen("summary.json", key_paths(summary), outlined_paths(SUMMARY))


def test_keys_of_comparison_json(study):
    comparison = json.loads((study / "report" / "comparison.json").read_text("utf-8"))
    check_frozen("comparison.json", key_paths(comparison), outlined_paths(COMPARISON))
