"""The gallery: all failed cases of all recipes, packed for the page's script."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.analysis.failure_evidence import FailureEvidence
from bakeoff.analysis.findings import describe
from bakeoff.analysis.image_groups import GROUP_NAMES

JPEG_QUALITY = 95
"""Without colour subsampling: on STL-10 at 32 x 32 a thumbnail takes about 1 kB, as PNG 2 kB."""


@dataclass(frozen=True)
class Gallery:
    """What the page needs for its gallery.

    Attributes
    ----------
    num_cases, num_images
        Failed cases (an image and a recipe), and the images in them.
    data
        `gallery_data` as JSON, gzip, base64.
    sprite
        The images on one sheet, as a `data:` address.
    """

    num_cases: int
    num_images: int
    data: str
    sprite: str


def gallery(evidence: FailureEvidence, test_images: NDArray[np.uint8]) -> Gallery:
    """Pack every failed case with the sentences about it; the same evidence gives the same bytes.

    Parameters
    ----------
    evidence
        Of the study.
    test_images
        uint8 [num_test, size, size, 3].
    """
    data = gallery_data(evidence)
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Gallery(
        num_cases=len(data["cases"]),
        num_images=len(data["images"]["id"]),
        data=base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii"),
        sprite=_sheet(test_images[data["images"]["index"]], data["sheet"]["columns"]),
    )


def gallery_data(evidence: FailureEvidence) -> dict[str, Any]:
    """Every image that a run gets wrong, and what each recipe that fails on it makes of it.

    Returns
    -------
    dict
        `classes`, `recipes`, `groups`: names, which all else refers to by index; `sheet`: tiles across and
        down; `images`: columns with an entry an image; `cases`: by recipe, then by image, each `recipe`,
        `image` (into `images`), `predicted`, the runs `wrong`, `agree` (runs that give `predicted`), `seeds`,
        `sure` (mean probability of `predicted` in those runs, or None), `answers` (wrong class to runs) and
        `texts`.
    """
    predictions = evidence.predictions
    wrong = np.stack([recipe.difficulty.num_wrong > 0 for recipe in evidence.recipes.values()])
    indices = np.flatnonzero(wrong.any(axis=0))
    place = {int(index): number for number, index in enumerate(indices)}
    columns = max(1, math.ceil(math.sqrt(len(indices))))
    cases = []
    for number, name in enumerate(evidence.recipes):
        answers = predictions.recipe(name).predicted
        for index in np.flatnonzero(wrong[number]):
            case = evidence.case(name, int(index))
            given, runs = np.unique(answers[:, index], return_counts=True)
            sure = case.predicted_probability
            cases.append(
                {
                    "recipe": number,
                    "image": place[int(index)],
                    "predicted": case.predicted,
                    "wrong": case.num_wrong,
                    "agree": case.num_predicted,
                    "seeds": case.num_seeds,
                    "sure": round(sure, 4) if math.isfinite(sure) else None,
                    "answers": {
                        int(label): int(count)
                        for label, count in zip(given, runs, strict=True)
                        if label != case.true
                    },
                    "texts": [finding.text for finding in describe(case, evidence)],
                }
            )
    return {
        "classes": predictions.class_names,
        "recipes": list(evidence.recipes),
        "groups": GROUP_NAMES,
        "sheet": {"columns": columns, "rows": max(1, math.ceil(len(indices) / columns))},
        "images": {
            "index": indices.tolist(),
            "id": [predictions.image_ids[index] for index in indices],
            "true": predictions.labels[indices].tolist(),
            "group": evidence.groups.group[indices].tolist(),
        },
        "cases": cases,
    }


def _sheet(images: NDArray[np.uint8], columns: int) -> str:
    """Lay images out row by row, as one JPEG in a `data:` address."""
    from PIL import Image

    size = images.shape[1]
    rows = max(1, math.ceil(len(images) / columns))
    tiles = np.zeros((rows * columns, size, size, 3), np.uint8)
    tiles[: len(images)] = images
    sheet = tiles.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)
    content = io.BytesIO()
    Image.fromarray(sheet).save(content, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
