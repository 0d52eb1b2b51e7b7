"""The report is replaced as a whole, and what is not Bakeoff's stays in it."""

import os
import shutil
import threading
from functools import partial
from itertools import count

import pytest
from tests.digests import forget_digests
from tests.killing import dies_before

from bakeoff.errors import BakeoffError
from bakeoff.store import Layout, read_study, replace_report
from bakeoff.store.manifest import compare_files

MINE = {"mine.txt", "figures/loss-mine.png", "notes/more/link.txt", "notes/deep.csv", ".hidden"}
OLD = {"figures/loss-a.svg": b"1", "figures/loss-b.svg": b"1", "tables/runs.csv": b"1", "index.html": b"1"}
NEW = {"figures/loss-a.svg": b"2", "comparison.json": b"2", "tables/runs.csv": b"2", "index.html": b"2"}


def report_of(layout, contents):
    replace_report(layout, {layout.report / name: content for name, content in contents.items()})


def files_of(layout):
    paths = [path for path in layout.report.rglob("*") if not path.is_dir()]
    return {path.relative_to(layout.report).as_posix(): path.read_bytes() for path in paths}


def whole(contents):
    return contents.keys() | MINE | {"files.json"}


@pytest.fixture
def reported(layout, tmp_path):
    """The least that is a study folder, with a report and, in it, files that are not Bakeoff's."""
    for path in (layout.environment, layout.test_images, layout.train_images):
        path.unlink()
    forget_digests(layout.root)
    report_of(layout, OLD)
    (tmp_path / "outside.txt").write_text("mine")
    for name in MINE - {"notes/more/link.txt"}:
        (layout.report / name).parent.mkdir(exist_ok=True)
        (layout.report / name).write_text("mine")
    (layout.report / "notes/more").mkdir()
    (layout.report / "notes/more/link.txt").symlink_to(tmp_path / "outside.txt")
    return layout


def test_a_new_report_leaves_out_only_what_the_one_before_wrote(reported):
    (reported.report / "tables/.runs.csv.7.tmp").write_text("half")  # of a version that wrote in place
    inode = (reported.report / "mine.txt").stat().st_ino
    report_of(reported, NEW)
    files = files_of(reported)
    assert files.keys() == whole(NEW)
    assert NEW.items() <= files.items()
    assert {files[name] for name in MINE} == {b"mine"}
    assert (reported.report / "notes/more/link.txt").is_symlink()
    assert (reported.report / "mine.txt").stat().st_ino == inode
    assert {path.name for path in reported.root.iterdir() if path.name.startswith(".")} == {".lock-report"}


@pytest.mark.parametrize(
    "content",
    [
        '["../study.toml", "../data.json", "/etc/passwd", "figures/../index.html", "mine.txt", 3]',
        '["figures/../../data.json", "index.html", "figures", "tables/..csv/x.csv", ""]',
        "{}", "[[", "[" * 100_000, "null",
    ],
)  # fmt: skip
def test_a_list_of_files_by_somebody_else_deletes_nothing(reported, content):
    before = {path: path.read_bytes() for path in reported.root.rglob("*") if path.is_file()}
    reported.report_files.write_text(content)
    report_of(reported, OLD)
    assert {path: path.read_bytes() for path in reported.root.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_report_killed_at_any_moment_leaves_a_whole_one(reported, tmp_path):
    outcomes = []
    for number in count():
        layout = Layout(tmp_path / f"{number}")
        shutil.copytree(reported.root, layout.root, symlinks=True)
        killed = dies_before(number, partial(report_of, layout, NEW), layout.root)
        outcomes.append(layout.report.exists())
        read_study(layout)  # the next command that opens the folder
        files = files_of(layout)
        contents = NEW if files["index.html"] == b"2" else OLD
        assert files.keys() == whole(contents)
        assert contents.items() <= files.items()
        assert compare_files(layout.report) == dict.fromkeys(sorted(contents), "")
        report_of(layout, NEW)
        assert files_of(layout).keys() == whole(NEW)
        assert not list(layout.root.glob(".report*"))
        if not killed:
            break
    assert outcomes.count(False) == 1  # between the two renames
    assert number > 20


def test_a_report_that_cannot_be_written_leaves_the_old_one_and_names_the_file(reported):
    before = files_of(reported)
    for name in ("mine.txt/new.svg", "figures"):
        with pytest.raises(BakeoffError, match=f"cannot write {reported.report / name}: "):
            report_of(reported, {**NEW, name: b""})
        assert files_of(reported) == before
        assert not list(reported.root.glob(".report*"))


def test_reports_made_at_once_are_whole(reported):
    contents = [{f"figures/{kind}-{index}.svg": kind.encode() for index in range(30)} for kind in "abc"]
    threads = [threading.Thread(target=report_of, args=(reported, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files_of(reported).keys() in [whole(content) for content in contents]
    assert not list(reported.root.glob(".report*"))
