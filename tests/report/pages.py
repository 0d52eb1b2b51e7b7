"""What stands in a part of a page and on a figure."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

FIGURES = {
    "loss-plain",
    "loss-normed",
    "accuracy-plain",
    "accuracy-normed",
    "validation-loss",
    "validation-accuracy",
    "confusion-plain",
    "confusion-normed",
    "confusion-difference-normed-plain",
    "class-accuracies",
    "error-properties",
    "comparison-accuracies",
    "comparison-differences",
    "comparison-class-differences",
    "comparison-reliability",
}


def section(page: Path, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', page.read_text("utf-8"), re.DOTALL)
    assert found, name
    return found[0]


def texts_of(svg: Path) -> list[str]:
    root = ElementTree.parse(svg).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
