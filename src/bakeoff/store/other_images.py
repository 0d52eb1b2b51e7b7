"""Reading and writing what the runs of a study predicted for other labeled images, those of [tests]."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.image_data import NOT_IDENTICAL, Split
from bakeoff.errors import BakeoffError
from bakeoff.predictions import Predictions, predictions_from_logits
from bakeoff.store.arrays import MemoryBudget, read_arrays, read_groups
from bakeoff.store.layout import Layout
from bakeoff.store.manifest import write_marked, write_recorded
from bakeoff.store.run_files import stored_identity
from bakeoff.store.verify import check_tests
from bakeoff.study import Study


@dataclass(frozen=True, eq=False)
class OtherImages:
    """Labeled images on which the trained models are tested, without their pixels.

    Attributes
    ----------
    labels
        int64 [num_images], indices into the class names of the study.
    ids, groups
        As of a `Split`.
    fingerprint
        SHA-256 of pixels, labels, ids and groups.
    known
        int64 [num_images]: which images the models know from training, see `bakeoff.audit.known.find_known`.
    """

    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    groups: tuple[str, ...] | None
    fingerprint: str
    known: NDArray[np.int64]


class StoredTest(NamedTuple):
    """What the runs of a study predicted for other images.

    Attributes
    ----------
    name
        As in the study.
    logits
        float32 [num_images, num_classes] of finished runs, by recipe and seed.
    """

    name: str
    images: OtherImages
    logits: dict[tuple[str, int], NDArray[np.float32]]

    def predictions(
        self, study: Study, class_names: tuple[str, ...], overlaps: Mapping[str, float] | None = None
    ) -> Predictions:
        """Of the recipes that have any, in the order of the study; `overlaps` as for the logits."""
        by_recipe: dict[str, dict[int, NDArray[np.float32]]] = {}
        for name in study.recipes:
            of_recipe = {seed: logits for (recipe, seed), logits in self.logits.items() if recipe == name}
            if of_recipe:
                by_recipe[name] = of_recipe
        images = self.images
        return predictions_from_logits(
            images.labels, images.ids, class_names, by_recipe, images.groups, overlaps
        )


def fingerprint_of(split: Split) -> str:
    """SHA-256 of the pixels, labels, ids and groups of a split."""
    digest = hashlib.sha256(repr((split.images.shape, split.ids, split.groups)).encode())
    digest.update(split.labels.tobytes())
    for image in split.images:
        digest.update(image.tobytes())
    return digest.hexdigest()


def save_other_images(layout: Layout, images: OtherImages) -> None:
    """Write the labels of other images; `layout` is from `Layout.test`."""
    arrays: dict[str, Any] = {
        "labels": images.labels,
        "ids": np.array(images.ids),
        "fingerprint": np.array(images.fingerprint),
        "known": images.known,
    }
    if images.groups is not None:
        arrays["groups"] = np.array(images.groups)
    write_recorded({layout.other_images: lambda file: np.savez_compressed(file, **arrays)})


def save_test(
    layout: Layout, recipe: str, seed: int, identity: str, fingerprint: str, logits: NDArray[np.float32]
) -> None:
    """Write what a run, of this identity, predicted for the images of this fingerprint."""
    arrays: dict[str, Any] = {
        "identity": np.array(identity),
        "images": np.array(fingerprint),
        "recipe": np.array(recipe),
        "seed": np.array(seed),
        "logits": logits,
    }
    path = layout.predictions(recipe, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_marked({path: lambda file: np.savez(file, **arrays)})


def load_other_images(layout: Layout, num_classes: int) -> OtherImages | None:
    """Read the labels of other images; None if there are none yet.

    Raises
    ------
    BakeoffError
        If the file is damaged.
    """
    path = layout.other_images
    if not path.exists():
        return None
    try:
        labels, ids, fingerprint, known = read_arrays(path, "labels", "ids", "fingerprint", "known")
        groups = read_groups(path)
        number = len(ids) if ids.ndim == 1 else -1
        if ids.dtype.kind != "U" or fingerprint.dtype.kind != "U" or fingerprint.shape != ():
            raise ValueError("ids or fingerprint are not text")
        for name, array, limit in (("labels", labels, num_classes), ("known", known, NOT_IDENTICAL + 1)):
            if array.dtype != np.int64 or array.shape != (number,) or not number:
                raise ValueError(f"{name} are {array.dtype} {array.shape}, expected int64 [{number}]")
            if array.min() < 0 or array.max() >= limit:
                raise ValueError(f"{name} are {array.min()}..{array.max()}, expected 0..{limit - 1}")
        if groups is not None and len(groups) != number:
            raise ValueError(f"{len(groups)} groups of {number} images")
    except (OSError, ValueError) as error:
        raise _damaged(layout.runs, error) from error
    return OtherImages(labels, tuple(ids.tolist()), groups, str(fingerprint), known)


def missing_tests(layout: Layout, of_test: Layout, study: Study) -> list[tuple[str, int, str]]:
    """Recipe, seed and identity of the finished runs of which predictions for other images are missing."""
    missing = []
    for recipe, seed in study.all_runs:
        stored = stored_identity(layout, recipe, seed)
        if stored and stored[0] == "finished" and _identity(of_test.predictions(recipe, seed)) != stored[1]:
            missing.append((recipe, seed, stored[1]))
    return missing


def _identity(path: Path) -> str | None:
    try:
        (identity,) = read_arrays(path, "identity")
    except (OSError, ValueError):
        return None
    return str(identity)


def load_tests(
    layout: Layout, study: Study, num_classes: int, budget: MemoryBudget
) -> tuple[StoredTest, ...]:
    """Read what finished runs predicted for the other images of a study.

    Raises
    ------
    BakeoffError
        If a file is damaged or is not as it was written.
    """
    return tuple(
        StoredTest(name, images, _load_logits(layout, layout.test(name), study, images, num_classes, budget))
        for name in study.tests
        if (images := load_other_images(layout.test(name), num_classes)) is not None
    )


def _load_logits(
    layout: Layout,
    of_test: Layout,
    study: Study,
    images: OtherImages,
    num_classes: int,
    budget: MemoryBudget,
) -> dict[tuple[str, int], NDArray[np.float32]]:
    check_tests([of_test.runs, *starmap(of_test.run, study.all_runs)])
    loaded = {}
    for recipe, seed in study.all_runs:
        path = of_test.predictions(recipe, seed)
        stored = stored_identity(layout, recipe, seed)
        if not path.exists() or not stored or stored[0] != "finished" or _identity(path) != stored[1]:
            continue  # of a run that was deleted or trained anew
        try:
            of_images, logits = read_arrays(path, "images", "logits")
            shape = (len(images.labels), num_classes)
            if logits.dtype != np.float32 or logits.shape != shape or not np.isfinite(logits).all():
                raise ValueError(f"logits are {logits.dtype} {logits.shape}, expected finite float32 {shape}")
            if str(of_images) != images.fingerprint:
                raise ValueError("its predictions are for other images than those beside it")
            budget.take(logits)
        except (OSError, ValueError) as error:
            raise _damaged(of_test.run(recipe, seed), error) from error
        loaded[recipe, seed] = logits
    return loaded


def _damaged(folder: Path, error: Exception) -> BakeoffError:
    return BakeoffError(
        f"{folder} is damaged ({error}); delete it and run the study again to test the models anew"
    )
