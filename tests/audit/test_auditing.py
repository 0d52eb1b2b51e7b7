"""audit(): real images with planted trouble of every kind, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.audit.planting import Source, brighter, flipped, reencoded, repeats, same, shifted

from bakeoff.audit import Audit, audit
from bakeoff.data import load_data
from bakeoff.study.settings.data import DataSettings


def test_nothing_is_found_in_clean_data(source: Source) -> None:
    # Ten classes in 60 images are unequal; that is a note of its own.
    result = audit(source.load())
    assert repeats(result) == []
    assert [finding for finding in result.findings if "classes" not in finding.kind] == []
    assert result.num_images == 100
    assert result.limits == ()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_permuting_images_changes_nothing_but_order(
    tmp_path_factory: pytest.TempPathFactory, photographs: Path, seed: int
) -> None:
    source = Source(tmp_path_factory.mktemp("permuted") / "source", photographs)
    for index, change in enumerate((same, reencoded, shifted(1, 2), flipped)):
        source.plant_copy(("train", 30 + index), "test", change)
        source.plant_copy(("train", 40 + index), "train", change)
        source.plant_copy(("val", index), "val", change, label=str(index))
    one, other = audit(source.load()), audit(source.load(order=np.random.default_rng(seed)))

    def summary(result: Audit) -> set[tuple[object, ...]]:
        return {
            (
                finding.severity,
                finding.kind,
                finding.count,
                finding.num_groups,
                finding.sentence,
                frozenset(
                    (frozenset((pair.first, pair.second)), pair.relation, round(pair.distance, 3))
                    for pair in finding.pairs
                ),
            )
            for finding in result.findings
        }

    assert len(repeats(one)) >= 8
    assert summary(one) == summary(other)


def test_images_too_small_are_searched_for_identical_ones_only(source: Source) -> None:
    source.plant_copy(("train", 1), "test", same)
    source.plant_copy(("train", 2), "test", brighter)
    result = audit(source.load(image_size=16))
    assert [finding.kind for finding in repeats(result)] == ["identical-train-test"]
    assert "16 pixels" in result.limits[0]


def test_digits_hold_nothing_to_report() -> None:
    result = audit(load_data(DataSettings(source="digits", image_size=32)))
    assert result.is_clean
    assert "8 pixels" in result.limits[0]


def test_where_every_image_resembles_others_leaks_are_doubted(source: Source) -> None:
    for index in range(20):
        source.plant_copy(("train", index), "test", brighter)
    result = audit(source.load())
    (finding,) = repeats(result)
    assert (finding.severity, finding.kind, finding.count) == ("warning", "near-train-test", 20)
    assert finding.sentence == (
        "20 test images look like an image of train; the check cannot tell whether they are copies."
    )
    assert finding.advice == "Look at the pairs before you remove any."
    (groups,) = [each for each in result.findings if each.kind == "groups-of-near-duplicates"]
    assert "whether or not they are copies" in groups.sentence
    assert any("Look at the pairs" in limit for limit in result.limits)
