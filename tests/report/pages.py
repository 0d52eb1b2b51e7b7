"""What stands in a part of a page and on a figure."""

import base64
import gzip
import json
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


def gallery_of(page_text: str) -> dict:
    """What the page's script unpacks, with the cases as `gallery_data` has them."""
    packed = re.search(r'id="gallery-data">([^<]*)</script>', page_text)[1]
    data = json.loads(gzip.decompress(base64.b64decode(packed)))
    columns = data["cases"]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    rows.sort(key=lambda entry: (entry["recipe"], entry["image"]))
    optional = ("near", "map")
    cases = [
        {name: value for name, value in entry.items() if not (value is None and name in optional)}
        for entry in rows
    ]
    return data | {"cases": cases}


def section(page: Path, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', page.read_text("utf-8"), re.DOTALL)
    assert found, name
    return found[0]


def texts_of(svg: Path) -> list[str]:
    root = ElementTree.parse(svg).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
