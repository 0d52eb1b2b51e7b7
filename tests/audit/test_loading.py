"""Splits cut between groups of near duplicates."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.audit.planting import Source, brighter, same

from bakeoff.audit import audit, load_grouped
from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings


@pytest.mark.parametrize("split_seed", [0, 1, 2])
def test_no_group_of_near_duplicates_is_in_two_splits(photographs, tmp_path, split_seed: int) -> None:
    """Sixty photographs, of half of which there are one to four changed copies."""
    rng = np.random.default_rng(split_seed)
    files = sorted((photographs / "train").iterdir())[::9][:60]
    objects = {}
    for number, file in enumerate(files):
        folder = tmp_path / ("a", "b")[number % 2]
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder / f"{number}.png")
        objects[f"{folder.name}/{number}.png"] = number
        with Image.open(file) as opened:
            changes = [
                brighter(opened.convert("RGB")),
                ImageOps.mirror(opened),
                opened.copy(),
                opened.convert("L"),
            ]
        for copy in range(int(rng.integers(0, 5)) if number % 2 else 0):
            changes[copy].save(folder / f"{100 + rng.integers(1e6)} of {number}.png")
    data = load_grouped(
        DataSettings(source=f"folder:{tmp_path}", groups="near_duplicates", split_seed=split_seed)
    )
    split_of: dict[str, set[str]] = {}
    for name in ("train", "val", "test"):
        for image_id in data.split(name).ids:
            original = image_id.split("/")[1].removesuffix(".png").split(" of ")[-1]
            split_of.setdefault(original, set()).add(name)
    assert len(split_of) == 60
    assert all(len(splits) == 1 for splits in split_of.values())
    assert sum(len(set(data.split(name).groups)) for name in ("train", "val", "test")) == 60
    assert any(note.startswith("The images form groups: ") for note in data.notes)
    assert audit(data).of("leak") == ()


def test_given_splits_that_share_near_duplicates_are_reported(source: Source) -> None:
    source.plant_copy(("train", 3), "test", same)
    data = source.load()
    grouped = load_grouped(DataSettings(source=data.source, groups="near_duplicates"))
    assert grouped.fingerprint == data.fingerprint
    assert any("1 group in both train and test" in note for note in grouped.notes)
    assert "groups-train-test" in [finding.kind for finding in audit(grouped).of("leak")]


def test_images_alone_do_not_tell(source: Source) -> None:
    data = source.load()
    with pytest.raises(BakeoffError, match=r"needs bakeoff\.audit\.load_grouped"):
        load_data(DataSettings(source=data.source, groups="near_duplicates"))
