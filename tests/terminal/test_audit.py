"""print_audit(): legible at 80 columns, short when asked, and safe with any name."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.audit.planting import Source, reencoded, same

from bakeoff.audit import Audit, Finding, ImageName, Pair, audit, check_split_files
from bakeoff.terminal.audit import print_audit


def printed(result: Audit, *, short: bool = False, width: int = 80, notes: tuple[str, ...] = ()) -> list[str]:
    file = io.StringIO()
    print_audit(result, Console(file=file, width=width), short=short, notes=notes)
    return file.getvalue().splitlines()


@pytest.fixture
def leaky(tmp_path: Path, photographs: Path) -> Audit:
    source = Source(tmp_path / "source", photographs)
    for index in range(7):
        source.plant_copy(("train", index), "test", reencoded)
    source.plant_copy(("train", 20), "train", same)
    data = source.load()
    return audit(data, other_findings=check_split_files(source.directory))


def test_pairs_and_advice_come_with_each_finding(leaky: Audit) -> None:
    lines = printed(leaky)
    assert lines[0] == "leak: 7 test images are near duplicates of an image of train."
    assert len([line for line in lines if "copy-" in line and "~0.0" in line]) == 5
    assert any(line.strip() == "... 7 images in total, in 7 groups" for line in lines)
    assert any("Of each pair, remove the image in train or the one in test" in line for line in lines)
    assert all(len(line) <= 80 for line in lines if "copy-" not in line)
    first = leaky.findings[0].pairs[0]
    assert any(first.first.id in line and first.second.id in line for line in lines)
    assert "1 leak, " in lines[-1]
    assert lines[-2].startswith("~0.10: distance of two images")


def test_notes_are_wrapped_as_findings_are(leaky: Audit) -> None:
    lines = printed(leaky, width=40, notes=("The table has no header. " * 5,))
    assert lines[0].startswith("note: The table")
    assert all(len(line) <= 40 for line in lines if "copy-" not in line)


def test_the_short_form_has_few_lines_and_no_notes(leaky: Audit) -> None:
    lines = printed(leaky, short=True, width=200)
    assert lines[0].startswith("leak: 7 test images")
    assert len(lines) <= 4
    assert "bakeoff data check splits:" in lines[-1]
    assert not any("header" in line for line in lines)


def test_the_short_form_is_one_line_where_nothing_was_found() -> None:
    note = Finding("note", "no-header", 1, "No header.", "Fine.")
    assert printed(Audit("digits", "f", 1797, (), ()), short=True) == [
        "1,797 images checked: all checks passed"
    ]
    assert printed(Audit("digits", "f", 9, (note,), ("Limit.",)), short=True) == ["9 images checked: 1 note"]


def test_names_cannot_act_on_the_screen() -> None:
    evil = ImageName("train", "[red]a\x1b[2J\n\u202e", "[b]dog\x07")
    long = ImageName("test", "\u202e" * 300 + "[/red]", "[bold]" * 60)
    pair = Pair(evil, long, "near", 0.1)
    finding = Finding("leak", "near-train-test", 1, "1 test \x1b[31m image.", "Advice.", 1, (pair,))
    lines = printed(Audit("splits:\x1b[2J", "f", 2, (finding,), ()))
    text = "\n".join(lines)
    assert "[b]dog" in text
    assert "[/red]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert any(line.count("\\u202e") > 300 for line in lines)  # whole, on one line
