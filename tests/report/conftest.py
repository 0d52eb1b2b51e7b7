"""Study folders with real runs: LeNet-5 trained for an epoch or two on handwritten digits."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from bakeoff.data.image_data import ImageData, Split
from bakeoff.environment import describe_environment
from bakeoff.report import build_report
from bakeoff.store import (
    Layout,
    StoredCost,
    prepare_folder,
    run_identity,
    save_costs,
    save_failure,
    save_run,
)
from bakeoff.store.run_files import stored_identity
from bakeoff.study import study_from_toml
from bakeoff.training import TRAINING_VERSION, train

HOSTILE_NAMES = (
    "<script>document.title = 'taken'</script>",
    "=HYPERLINK(0)",
    "$\\frac{a}$ & co",
    "a name so long that no axis, no table and no card has room for the whole of it",
    'four"></svg>',
    "five\ttab",
    "шесть",
    "seven",
    "eight",
    "nine",
)

MANY_RECIPES = [f"lenet5_learning_rate_{number}" for number in range(29)]
"""Recipes that differ in their learning rate."""

StudyMaker = Callable[..., Path]


def digits(class_names: Sequence[str]) -> ImageData:
    """Digits at 32 x 32; with more than ten names the labels are dealt out, for a model to fail on."""
    bunch = load_digits()
    pixels = np.kron(bunch.images / 16 * 255, np.ones((1, 4, 4))).astype(np.uint8)
    images = np.repeat(pixels[..., None], 3, axis=3)
    # A tint shows where colors or channels are mixed up on the way to the page.
    images[..., 0] //= 2
    labels = bunch.target.astype(np.int64)
    if len(class_names) != 10:
        labels = np.arange(len(labels)) % len(class_names)
    cuts = {"train": slice(0, 400), "val": slice(400, 600), "test": slice(600, 1000)}
    splits = {
        name: Split(
            images[cut], labels[cut], tuple(f"{name}/{index}.png" for index in range(len(labels[cut])))
        )
        for name, cut in cuts.items()
    }
    scaled = splits["train"].images / 255
    mean, std = scaled.mean((0, 1, 2)), scaled.std((0, 1, 2))
    return ImageData(
        **splits,
        class_names=tuple(class_names),
        mean=(mean[0].item(), mean[1].item(), mean[2].item()),
        std=(std[0].item(), std[1].item(), std[2].item()),
        source="digits",
        fingerprint="0" * 64,
        notes=("The splits are cut in order.",),
        directory=Path(),
    )


def make_study(
    root: Path,
    *,
    class_names: Sequence[str] = HOSTILE_NAMES,
    recipes: Sequence[str] = ("plain", "normed"),
    seeds: int = 3,
    epochs: int = 2,
    failing: Sequence[str] = (),
    all_attributions: bool = True,
) -> Path:
    """Train and store a study; recipes in `failing` fail with every seed."""
    settings = {"plain": "", "normed": "model.batch_norm = true", "diverging": "optimizer.lr = 9.0"}
    settings |= {name: f"optimizer.lr = {0.0004 * number}" for number, name in enumerate(MANY_RECIPES, 1)}
    text = f'name = "digits"\nseeds = {seeds}\nall_attributions = {str(all_attributions).lower()}\n'
    text += f"[defaults]\nepochs = {epochs}\nbatch_size = 64\n"
    text += "".join(f"[recipes.{name}]\n{settings[name]}\n" for name in recipes)
    text += '[published.plain]\ntest_accuracy = 0.5\ntrain_loss = { "1" = 2.25 }\n'
    text += f"class_accuracies = {{ '{class_names[-1]}' = 0.125 }}\n"
    study, data = study_from_toml(text, "test"), digits(class_names)
    layout = prepare_folder(root, study, data, describe_environment(1))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, recipe in study.recipes.items():
            for seed in range(seeds):
                identity = run_identity(
                    recipe,
                    seed,
                    data_fingerprint=data.fingerprint,
                    training_version=TRAINING_VERSION,
                    model_source="",
                )
                if name in failing:
                    reason = "training loss is <b>nan</b> in epoch 1"
                    save_failure(layout, name, seed, identity, reason, try_again=False)
                else:
                    run = train(recipe, seed, data, all_attributions=all_attributions)
                    save_run(layout, study, name, seed, identity, run, data)
    finally:
        torch.set_num_threads(threads)
    return root


@pytest.fixture(scope="session")
def study_maker() -> StudyMaker:
    return make_study


@pytest.fixture(scope="session")
def study_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes with three seeds and a third that failed; class names that try to break the page.

    What a prediction costs is known of one recipe.
    """
    root = make_study(
        tmp_path_factory.mktemp("study") / "digits",
        recipes=("plain", "normed", "diverging"),
        failing=("diverging",),
    )
    stored = stored_identity(Layout(root), "plain", 0)
    assert stored
    cost = StoredCost(
        seed=0,
        identity=stored[1],
        multiply_accumulates=651_720,
        milliseconds_per_image=0.0127,
        batch_size=32,
        device="cpu",
        processor="a <b>processor</b>",
    )
    save_costs(Layout(root), {"plain": cost})
    return root


@pytest.fixture(scope="session")
def page(study_dir: Path) -> Path:
    return build_report(study_dir)
