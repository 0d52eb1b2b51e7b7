"""The files of a study folder after `bakeoff run`."""

import re

from tests.surface.frozen import check_frozen

from bakeoff.store import Layout

# Files whose names begin with a dot are locks and temporary ones.
STUDY = """
    audit.json
    costs.json
    data.json
    environment.json
    files.json
    tests/again/files.json
    tests/again/images.npz
    study.toml
    test_images.npz
    train_images.npz
    report/comparison.json
    report/files.json
    report/index.html
    report/summary.json
"""

REPORT_FIGURES = """
    class-accuracies
    comparison-accuracies
    comparison-class-differences
    comparison-differences
    comparison-reliability
    accuracy-{recipe}
    validation-accuracy
    validation-loss
    confusion-difference-trained-hardly_trained
    confusion-{recipe}
    error-properties
    learning-curve
    tuning-expected-best
    loss-{recipe}
    tuning-trials-{recipe}
"""

REPORT_TABLES = """
    class_accuracies
    comparison_calibration
    comparison_class_differences
    comparison_class_scores
    comparison_classes
    comparison_pairs
    comparison_recipes
    comparison_runs
    comparison_scores
    confused_pair_differences
    confused_pairs
    confusion
    costs
    curves
    doubtful_labels
    error_differences
    error_trends
    expected_best
    failed_cases
    failed_runs
    image_groups
    images
    learning_curve
    runs
    settings
    trials
"""

FINISHED_RUN = """
    runs/{recipe}/seed-{seed}/attributions.npz
    runs/{recipe}/seed-{seed}/best.safetensors
    runs/{recipe}/seed-{seed}/features.npz
    runs/{recipe}/seed-{seed}/files.json
    runs/{recipe}/seed-{seed}/history.csv
    runs/{recipe}/seed-{seed}/predictions.npz
    tensorboard/{recipe}/seed-{seed}/events.out.tfevents.TIME.HOST.PROCESS.NUMBER
"""

TESTED_RUN = """
    tests/again/{recipe}/seed-{seed}/files.json
    tests/again/{recipe}/seed-{seed}/predictions.npz
"""

FAILED_RUN = """
    runs/{recipe}/seed-{seed}/failure.json
    runs/{recipe}/seed-{seed}/files.json
    tensorboard/{recipe}/seed-{seed}/events.out.tfevents.TIME.HOST.PROCESS.NUMBER
"""


SIZED_RUN = """
    sizes/{size}/{recipe}/seed-{seed}/files.json
    sizes/{size}/{recipe}/seed-{seed}/history.csv
    sizes/{size}/{recipe}/seed-{seed}/predictions.npz
    tensorboard/sizes/{size}/{recipe}/seed-{seed}/events.out.tfevents.TIME.HOST.PROCESS.NUMBER
"""

FAILED_SIZED_RUN = """
    sizes/{size}/{recipe}/seed-{seed}/failure.json
    sizes/{size}/{recipe}/seed-{seed}/files.json
    tensorboard/sizes/{size}/{recipe}/seed-{seed}/events.out.tfevents.TIME.HOST.PROCESS.NUMBER
"""

TRIAL = """
    tune/{recipe}/trial-{number}/files.json
    tune/{recipe}/trial-{number}/history.csv
    tune/{recipe}/trial-{number}/predictions.npz
    tensorboard/tune/{recipe}/trial-{number}/events.out.tfevents.TIME.HOST.PROCESS.NUMBER
"""


def test_files_of_a_study_folder(study):
    found = {
        path.relative_to(study).as_posix()
        for path in study.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    own = {name for name in found if Layout(study).is_own(study / name)}
    assert own == {name for name in found if not name.startswith("tensorboard/")}
    events = re.compile(r"tfevents\.\d+\..+\.\d+\.\d+$")
    found = {events.sub("tfevents.TIME.HOST.PROCESS.NUMBER", name) for name in found}
    expected = STUDY.split()
    expected += [f"report/tables/{name}.csv" for name in REPORT_TABLES.split()]
    for recipe in ("hardly_trained", "trained"):
        for name in REPORT_FIGURES.format(recipe=recipe).split():
            expected += [f"report/figures/{name}.{suffix}" for suffix in ("png", "svg")]
    for recipe, files in (
        ("hardly_trained", FINISHED_RUN + TESTED_RUN),
        ("trained", FINISHED_RUN + TESTED_RUN),
        ("diverges", FAILED_RUN),
    ):
        for seed in range(3):
            expected += files.format(recipe=recipe, seed=seed).split()
    for size in (100, 250):
        for seed in range(3):
            for recipe in ("hardly_trained", "trained"):
                expected += SIZED_RUN.format(size=size, recipe=recipe, seed=seed).split()
            expected += FAILED_SIZED_RUN.format(size=size, recipe="diverges", seed=seed).split()
    for recipe in ("hardly_trained", "trained"):
        for number in range(2):
            expected += TRIAL.format(recipe=recipe, number=number).split()
    check_frozen("The study folder", found, expected)
