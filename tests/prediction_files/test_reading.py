"""Predictions from CSV, NPZ and study folders: what is read, and what is refused with which words."""

from pathlib import Path

import numpy as np
import pytest
from tests.prediction_files.writing import HEADER, HEADER_P, ROWS, WITH_P, same, write, write_npz

from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions


def test_npz_runs_and_a_study_folder_are_read(tmp_path: Path) -> None:
    files = [
        write_npz(tmp_path / "runs" / recipe / f"seed-{seed}" / "predictions.npz", recipe, seed)
        for recipe in ("a", "b")
        for seed in (10, 2)
    ]
    found = read_predictions(files)
    assert [recipe.seeds for recipe in found.recipes] == [(2, 10), (2, 10)]
    logits = np.random.default_rng(10).normal(size=(6, 3)).astype(np.float32)
    assert (found.recipe("a").predicted[1] == logits.argmax(axis=1)).all()
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = found.recipe("a").probabilities
    assert probabilities is not None
    assert probabilities[1] == pytest.approx(chances, abs=1e-6)
    assert same(read_predictions([tmp_path]), found)


def test_groups_of_a_study_folder_are_those_of_its_test_images(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_npz(tmp_path / f"runs/a/seed-{seed}/predictions.npz", "a", seed)
    ids = [f"{number}.png" for number in (3, 1, 2, 0, 5, 4)]
    np.savez(tmp_path / "test_images.npz", ids=ids, groups=["y", "x", "y", "x", "z", "y"])
    # Images stand in the order of their names.
    found = read_predictions([tmp_path])
    assert found.groups is not None
    assert [
        sorted(found.image_ids[image] for image in np.flatnonzero(found.groups == group))
        for group in range(3)
    ] == [["0.png", "1.png"], ["2.png", "3.png", "4.png"], ["5.png"]]
    np.savez(tmp_path / "test_images.npz", ids=ids)
    assert read_predictions([tmp_path]).groups is None


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    csv = write(tmp_path / "p.csv", HEADER, ROWS)
    with pytest.raises(BakeoffError, match="listed twice"):
        read_predictions([csv, tmp_path / "." / "p.csv"])
    with pytest.raises(BakeoffError, match=r"no file or folder .*q\.csv; did you mean '.*/p\.csv'"):
        read_predictions([tmp_path / "q.csv"])
    with pytest.raises(BakeoffError, match="has no finished run"):
        read_predictions([tmp_path])
    with pytest.raises(BakeoffError, match="no file of predictions"):
        read_predictions([])
    run = write_npz(tmp_path / "a.npz", "a", 0)
    again = write_npz(tmp_path / "b.npz", "a", 0)
    with pytest.raises(BakeoffError, match=r"occur more than once:\n.*a\.npz and .*b\.npz"):
        read_predictions([run, again])
    other = write_npz(tmp_path / "c.npz", "c", 0, class_names=np.array(["cat", "dog", "frog"]))
    with pytest.raises(BakeoffError, match="the classes differ"):
        read_predictions([run, other])
    half = [
        write(tmp_path / "h.csv", HEADER, ROWS[:2]),
        write(tmp_path / "i.csv", HEADER_P, WITH_P[2:]),
    ]
    with pytest.raises(
        BakeoffError, match=r"recipe 'plain' has probabilities in .*i\.csv and none in .*h\.csv"
    ):
        read_predictions(half)


def test_a_recipe_without_a_finished_run_is_named(tmp_path: Path) -> None:
    write_npz(tmp_path / "runs" / "a" / "seed-0" / "predictions.npz", "a", 0)
    (tmp_path / "runs" / "b" / "seed-0").mkdir(parents=True)
    with pytest.raises(BakeoffError, match=r"without a finished run in .*:\n  b\n"):
        read_predictions([tmp_path])
