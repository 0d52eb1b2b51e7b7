from pathlib import Path

import numpy as np
import pytest

from bakeoff.store import FailedRun, StoredRun, StoredStudy
from bakeoff.study import study_from_toml

STUDY = """
name = "small"
description = "Which of two?"
seeds = 3
baseline = "plain"
[recipes.plain]
epochs = 4
[recipes.normed]
epochs = 4
model.batch_norm = true
[published.plain]
test_accuracy = 0.5
test_images = 4999
train_loss = { "10" = 1.0, "2" = 1.5 }
class_accuracies = { dog = 0.25 }
"""
CLASSES = ("cat", "dog", "empty")
LABELS = np.repeat([0, 1], [25, 35])


def stored_run(recipe: str, seed: int) -> StoredRun:
    generator = np.random.default_rng([len(recipe), seed])
    columns = ("learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")
    return StoredRun(
        recipe=recipe,
        seed=seed,
        checkpoint_epoch=seed + 1,
        num_parameters=10,
        history={"epoch": np.arange(1.0, 5.0)} | {name: generator.random(4) for name in columns},
        test_logits=generator.normal(size=(60, 3)).astype(np.float32),
        train_true_probability=np.zeros((4, 5), np.float16),
    )


@pytest.fixture
def stored() -> StoredStudy:
    return StoredStudy(
        root=Path("small"),
        study=study_from_toml(STUDY, "test"),
        data={"class_names": list(CLASSES), "counts": {"test": [25, 35, 0]}},
        environment={"device": "cpu"},
        runs=(*(stored_run("plain", seed) for seed in range(3)), stored_run("normed", 2)),
        failures=(FailedRun("normed", 0, "training loss is nan"),),
        test_images=np.zeros((60, 8, 8, 3), np.uint8),
        test_labels=LABELS,
        test_ids=tuple(f"{index}.png" for index in range(60)),
    )
