"""Parts of many images are worked on once each, and their results come back in order."""

import threading

import pytest

from bakeoff.audit.blocks import map_blocks


def test_every_element_is_in_one_part_and_results_are_in_order():
    parts = map_blocks(lambda part: list(range(10))[part], 10, 3)
    assert parts == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert map_blocks(lambda part: part, 0, 3) == []


def test_parts_run_at_the_same_time(monkeypatch):
    monkeypatch.setattr("bakeoff.audit.blocks.available_cores", lambda: 2)
    both = threading.Barrier(2, timeout=20)
    map_blocks(lambda _: both.wait(), 2, 1)


def test_an_error_of_one_part_is_raised():
    with pytest.raises(ZeroDivisionError):
        map_blocks(lambda part: 1 // part.start, 4, 2)
