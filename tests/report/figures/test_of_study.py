"""All figures of a study."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from PIL import Image
from tests.report.pages import FIGURES


def test_every_figure_is_a_file_of_each_kind(page: Path) -> None:
    folder = page.parent / "figures"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")
    }
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200
    for path in folder.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.get("role") == "img"
        assert len(root.get("aria-label", "")) > 40


def test_a_line_is_written_as_numbers_alone(page: Path) -> None:
    text = (page.parent / "figures" / "loss-plain.svg").read_text("utf-8")
    assert re.search(r' d="M [\d.]+ [\d.]+ [\d.]+ [\d.]+ ', text)
    assert not re.findall(r'\nL |rotate\(-0|id="[^"]*(?:line2d|patch|text)_|>\n\s*<', text)
