"""What stands in a part of a page and on a figure."""

import base64
import gzip
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from bakeoff.report.gallery import DIGITS, MARKS

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
    cases = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    numbers = [iter(text.split(" ")) for text in data["numbers"]]
    near = iter(
        [
            sum(DIGITS.index(digit) * 64**place for place, digit in enumerate(digits))
            for digits in zip(*data["near"], strict=True)
        ]
    )
    for entry in cases:
        true = data["classes"][data["images"]["true"][entry["image"]]]
        own = (data["recipes"][entry["recipe"]], true, data["classes"][entry["predicted"]])
        entry["texts"] = [
            "".join(
                own[MARKS.index(character)]
                if character in MARKS[:3]
                else next(numbers[place])
                if character == MARKS[3]
                else character
                for character in data["templates"][place]
            )
            for place in entry["texts"]
        ]
        entry["near"] = [next(near) for _ in range(entry["near"])]
    cases.sort(key=lambda entry: (entry["recipe"], entry["image"]))
    places = itertools.count()
    for entry in cases:
        facts = {name: entry.pop(f"map_{name}") for name in ("runs", "half", "border", "strongest")}
        if facts["runs"] is not None:
            entry["map"] = {"place": next(places)} | facts
        if not entry["near"]:
            del entry["near"]
    return data | {"cases": cases}


def section(page: Path, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', page.read_text("utf-8"), re.DOTALL)
    assert found, name
    return found[0]


def texts_of(svg: Path) -> list[str]:
    root = ElementTree.parse(svg).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
