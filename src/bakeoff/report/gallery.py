"""The gallery: all failed cases of all recipes, packed for the page's script."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from bakeoff.analysis.failures.attribution_maps import AttributionMaps
from bakeoff.analysis.failures.evidence import FailureEvidence, RecipeEvidence
from bakeoff.analysis.failures.groups import GROUP_LABELS, GROUP_NAMES
from bakeoff.analysis.failures.sentences import describe, describe_image
from bakeoff.analysis.summary.study import Summary
from bakeoff.report.images import Sheet, image_sheet, map_sheet, smaller

TEST_QUALITY = 90
"""Of a WebP: on STL-10 at 32 x 32 a thumbnail takes about 0.5 kB, as JPEG 1 kB, as PNG 2 kB."""

TRAIN_QUALITY, TRAIN_SIZE = 75, 32
"""The nearest training images are small: 0.3 kB each."""

MOST_TEST_BYTES, MOST_TRAIN_BYTES = 2_500_000, 1_200_000
"""Of the sheets in the page: of more images, the quality is lower."""


class Tiles(NamedTuple):
    """Tiles of the sheets as CSS styles: of a test image, of its map, and of training images by label."""

    image: str
    map: str
    strongest: str
    near: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Gallery:
    """The data of the page's gallery.

    Attributes
    ----------
    num_cases, num_images
        The number of failed cases (an image and a recipe), and of the images in them.
    data
        `gallery_data` as JSON, gzip, base64; a third as large as without what `_packed` does.
    sheets
        By name: `images`, and if known, `maps` and `train`, the nearest training images.
    content
        What `data` packs.
    """

    num_cases: int
    num_images: int
    data: str
    sheets: dict[str, Sheet]
    content: dict[str, Any] = field(repr=False)

    @cached_property
    def _places(self) -> dict[tuple[str, int], dict[str, Any]]:
        """The entry of each case, by recipe and index of the test image."""
        recipes, indices = self.content["recipes"], self.content["images"]["index"]
        return {(recipes[entry["recipe"]], indices[entry["image"]]): entry for entry in self.content["cases"]}

    def tiles(self, recipe: str, image: int) -> Tiles:
        """The tiles of a case, for a page that shows it without the script."""
        entry = self._places[recipe, image]
        near = entry.get("near", []) if "train" in self.sheets else []
        labels = self.content["train"]["label"]
        return Tiles(
            self.sheets["images"].tile(entry["image"]),
            self.sheets["maps"].tile(entry["map"]["place"]) if "map" in entry else "",
            entry["map"]["strongest"] if "map" in entry else "",
            tuple((labels[place], self.sheets["train"].tile(place)) for place in near),
        )


def gallery(summary: Summary) -> Gallery | None:
    """Pack every failed case with the sentences about it; None if no image is misclassified.

    The same results give the same bytes. If training images are not known, none are shown.
    """
    evidence, stored = summary.evidence, summary.stored
    if evidence is None or not summary.failed_cases:
        return None
    data = gallery_data(evidence)
    sheets = {
        "images": image_sheet(stored.test_images[data["images"]["index"]], TEST_QUALITY, MOST_TEST_BYTES)
    }
    maps = [recipe.attributions.maps for recipe in evidence.recipes.values() if recipe.attributions]
    if maps:
        sheets["maps"] = map_sheet(np.concatenate(maps))
    if data["train"]["index"] and stored.train_images is not None:
        chosen = smaller(stored.train_images[data["train"]["index"]], TRAIN_SIZE)
        sheets["train"] = image_sheet(chosen, TRAIN_QUALITY, MOST_TRAIN_BYTES)
    data["sheets"] = {name: {"columns": sheet.columns, "rows": sheet.rows} for name, sheet in sheets.items()}
    content = json.dumps(_packed(data), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Gallery(
        num_cases=len(data["cases"]),
        num_images=len(data["images"]["id"]),
        data=base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii"),
        sheets=sheets,
        content=data,
    )


CASE_COLUMNS = ("recipe", "image", "predicted", "wrong", "agree", "seeds", "sure", "answers")

MAP_COLUMNS = ("runs", "half", "border", "strongest")

RECIPE, TRUE, PREDICTED, NUMBER = MARKS = "\ufdd0\ufdd1\ufdd2\ufdd3"
"""What stands in a template for a case's own names, and for the next number: characters of no text."""

_NUMBERS = re.compile(r"(\d+(?:[.,]\d+)*)")

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _packed(data: Mapping[str, Any]) -> dict[str, Any]:
    """`gallery_data` with the cases as columns, those of an image one after another: what is alike stands
    together.

    Of the texts, each template is there once, with the numbers of all its texts, separated by spaces. The
    maps have no place: in the order of `gallery_data`, they are numbered. The nearest images are digits to
    the base 64: a string of all last digits, then one of those before, and so on.
    """
    cases = sorted(data["cases"], key=lambda entry: (entry["image"], entry["recipe"]))
    columns: dict[str, list[Any]] = {name: [entry.get(name) for entry in cases] for name in CASE_COLUMNS}
    columns |= {f"map_{name}": [entry.get("map", {}).get(name) for entry in cases] for name in MAP_COLUMNS}
    templates: dict[str, int] = {}
    numbers: list[list[str]] = []
    columns["texts"] = [[] for _ in cases]
    for entry, texts in zip(cases, columns["texts"], strict=True):
        true = data["classes"][data["images"]["true"][entry["image"]]]
        own = (data["recipes"][entry["recipe"]], true, data["classes"][entry["predicted"]])
        names = sorted(zip(own, MARKS, strict=False), key=lambda name: -len(name[0]))
        for text in entry["texts"]:
            template = text.translate(_WITHOUT_MARKS)
            for name, mark in names:
                template = template.replace(name, mark)
            pieces = _NUMBERS.split(template)
            place = templates.setdefault(NUMBER.join(pieces[::2]), len(templates))
            if place == len(numbers):
                numbers.append([])
            numbers[place] += pieces[1::2]
            texts.append(place)
    columns["near"] = [len(entry.get("near", ())) for entry in cases]
    return {
        **data,
        "cases": columns,
        "templates": list(templates),
        "numbers": [" ".join(found) for found in numbers],
        "near": _digits([place for entry in cases for place in entry.get("near", ())]),
    }


_WITHOUT_MARKS = dict.fromkeys(map(ord, MARKS), "\N{REPLACEMENT CHARACTER}")


def _digits(numbers: Sequence[int]) -> list[str]:
    each = np.array(numbers, dtype=np.int64)
    letters = np.frombuffer(DIGITS.encode(), np.uint8)
    num_digits = 1 + int(each.max(initial=0)).bit_length() // 6
    return [letters[each >> 6 * digit & 63].tobytes().decode() for digit in range(num_digits)]


def gallery_data(evidence: FailureEvidence) -> dict[str, Any]:
    """Every misclassified image, and the predictions of each recipe that misclassifies it.

    Returns
    -------
    dict
        `classes`, `recipes`, `groups`: names, to which all else refers by index; `images` and `train`:
        columns with one entry per image; `cases`: by recipe, then by image, each `recipe`, `image` (into
        `images`), `predicted`, the runs `wrong`, `agree` (runs that predict `predicted`), `seeds`, `sure`
        (mean probability of `predicted` in those runs, or None), `answers` (wrong class to runs), `texts`,
        and if known, `near` (into `train`, the nearest first) and `map` (see `_map_facts`).
    """
    predictions = evidence.predictions
    wrong = np.stack([recipe.difficulty.num_wrong > 0 for recipe in evidence.recipes.values()])
    indices = np.flatnonzero(wrong.any(axis=0))
    place = {int(index): number for number, index in enumerate(indices)}
    about = {index: describe_image(index, evidence) for index in place}
    train = _shown_neighbors(evidence.recipes)
    train_place = {index: number for number, index in enumerate(train)}
    num_maps, cases = 0, []
    for number, (name, recipe) in enumerate(evidence.recipes.items()):
        predicted = predictions.recipe(name).predicted
        for index in map(int, np.flatnonzero(wrong[number])):
            case = evidence.case(name, index)
            classes, num_runs = np.unique(predicted[:, index], return_counts=True)
            confidence = case.predicted_probability
            entry: dict[str, Any] = {
                "recipe": number,
                "image": place[index],
                "predicted": case.predicted,
                "wrong": case.num_wrong,
                "agree": case.num_predicted,
                "seeds": case.num_seeds,
                "sure": round(confidence, 4) if math.isfinite(confidence) else None,
                "answers": {
                    int(label): int(count)
                    for label, count in zip(classes, num_runs, strict=True)
                    if label != case.true
                },
                "texts": [sentence.text for sentence in describe(case, evidence, about[index])],
            }
            cases.append(entry)
            if recipe.neighbors:
                near = recipe.neighbors.indices[recipe.neighbors.place(index)].tolist()
                entry["near"] = [train_place[neighbor] for neighbor in near]
            row = recipe.attributions.place(index) if recipe.attributions else None
            if recipe.attributions and row is not None:
                entry["map"] = {"place": num_maps + row} | _map_facts(recipe.attributions, row)
        num_maps += len(recipe.attributions.images) if recipe.attributions else 0
    return {
        "classes": predictions.class_names,
        "recipes": list(evidence.recipes),
        "groups": [GROUP_LABELS[name] for name in GROUP_NAMES],
        "images": {
            "index": indices.tolist(),
            "id": [predictions.image_ids[index] for index in indices],
            "true": predictions.labels[indices].tolist(),
            "group": evidence.groups.group[indices].tolist(),
        },
        "train": {"index": list(train), "label": list(train.values())},
        "cases": cases,
    }


def _shown_neighbors(recipes: Mapping[str, RecipeEvidence]) -> dict[int, int]:
    """The label of each training image near a failed case, by index, ascending."""
    labels: dict[int, int] = {}
    for recipe in recipes.values():
        if recipe.neighbors:
            near = recipe.neighbors
            labels |= zip(near.indices.ravel().tolist(), near.labels.ravel().tolist(), strict=True)
    return dict(sorted(labels.items()))


_THIRDS = (
    ("upper left", "top", "upper right"),
    ("left", "center", "right"),
    ("lower left", "bottom", "lower right"),
)


def _map_facts(maps: AttributionMaps, row: int) -> dict[str, Any]:
    """Describe a map for readers who cannot see it.

    `runs` averaged; `half` and `border` in whole %, None if nothing supports the wrong class; `strongest`,
    the position in the image of the cell that supports it most.
    """
    half, border = float(maps.half_area[row]), float(maps.border_share[row])
    num_cells = maps.maps.shape[1]
    down, across = divmod(int(maps.maps[row].argmax()), num_cells)
    known = math.isfinite(half)
    return {
        "runs": int(maps.num_runs[row]),
        "half": round(100 * half) if known else None,
        "border": round(100 * border) if known else None,
        "strongest": _THIRDS[3 * down // num_cells][3 * across // num_cells],
    }
