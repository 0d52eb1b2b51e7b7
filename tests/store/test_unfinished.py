"""The state of an unfinished run: whole and of its identity, or none."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakeoff.store.unfinished import UnfinishedRun, unfinished_progress


@given(state=st.binary(max_size=200), epoch=st.integers(1, 10**6), accuracy=st.floats(0, 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_saved_last_is_given_back(tmp_path, state, epoch, accuracy):
    run = UnfinishedRun(tmp_path / "unfinished.state", "identity")
    run.save(b"an earlier one", 1, 0.0)
    run.save(state, epoch, accuracy)
    assert run.load() == state
    assert unfinished_progress(run.path) == (epoch, accuracy)
    assert UnfinishedRun(run.path, "another").load() is None


def test_no_damaged_byte_goes_unnoticed(tmp_path):
    run = UnfinishedRun(tmp_path / "unfinished.state", "identity")
    run.save(bytes(range(20)), 3, 0.5)
    whole = run.path.read_bytes()
    start = whole.index(b"\n") + 1
    for place in range(start, len(whole)):
        run.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert run.load() is None
    run.path.write_bytes(whole[:-1])
    assert run.load() is None


@pytest.mark.parametrize(
    "content", [None, b"", b"[1]\nstate", b"{\n", json.dumps({"epoch": 1}).encode(), b"[" * 9_999]
)
def test_what_holds_no_progress_has_none(tmp_path, content):
    path = tmp_path / "unfinished.state"
    if content is not None:
        path.write_bytes(content)
    assert unfinished_progress(path) is None
    assert UnfinishedRun(path, "identity").load() is None
