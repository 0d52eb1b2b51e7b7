"""Offline runs, read from their files."""

import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.logs.test_content import log_of

from bakeoff.errors import BakeoffError
from bakeoff.logs.wandb_files import write_offline_runs

BLOCK = 32 * 1024
LAST = (1, 4)
"""Types of chunks that end a record: it is whole, or this is the last of several."""


def records(file: Path) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, after 7 bytes of the file's own."""
    content, place, record = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in LAST:
            yield record
            record = b""


def read(file: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Config, values by epoch, and summary."""
    from wandb.proto.wandb_internal_pb2 import Record

    config, history, summary = {}, [], {}
    for content in records(file):
        record = Record()
        record.ParseFromString(content)
        config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        if record.history.item:
            history.append({one.nested_key[0]: json.loads(one.value_json) for one in record.history.item})
        summary |= {one.key: json.loads(one.value_json) for one in record.summary.update if one.key}
    return config, history, summary


@pytest.mark.slow
@pytest.mark.needs("wandb")
@pytest.mark.filterwarnings("ignore")
def test_each_run_is_written_once(tmp_path):
    study = log_of()
    assert write_offline_runs(study, tmp_path) == len(study.runs)
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == len(study.runs) + 1
    assert write_offline_runs(study, tmp_path) == 0
    assert sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb")) == files
    for run in study.runs:
        (file,) = (tmp_path / "wandb").glob(f"offline-run-*/run-{run.key}.wandb")
        config, history, summary = read(file)
        assert {key: config[key] for key in run.settings} == json.loads(json.dumps(dict(run.settings)))
        assert [epoch["_step"] for epoch in history] == list(range(1, len(history) + 1))
        for name, values in run.epochs.items():
            assert [epoch[name] for epoch in history] == values.tolist()
        assert {name: summary[name] for name in run.scores} == dict(run.scores)
    (file,) = (tmp_path / "wandb").glob(f"offline-run-*/run-{study.content}.wandb")
    end = time.monotonic() + 20
    while "conclusion" not in (summary := read(file)[2]) and time.monotonic() < end:
        time.sleep(0.1)  # wandb's own process may write the last values after `finish`
    assert summary["conclusion"] == study.conclusion
    for what, scores in study.scores.items():
        assert {name: summary[f"{what}/{name}"] for name in scores} == dict(scores)


def test_without_wandb_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(BakeoffError, match=r"wandb cannot be imported .*\.\[wandb\]"):
        write_offline_runs(log_of(), tmp_path)
