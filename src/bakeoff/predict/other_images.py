"""predict_others(): the finished runs of a study on its other test images, those of [tests.NAME]."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np

from bakeoff.audit.known import find_known
from bakeoff.data import find_image_data
from bakeoff.data.image_data import NOT_CHECKED, Split
from bakeoff.data.labeled import load_labeled
from bakeoff.data.progress import Progress, ProgressCallback
from bakeoff.errors import BakeoffError
from bakeoff.predict.model import has_model, load_model
from bakeoff.store import Layout, lock_folder, read_study
from bakeoff.store.checks import DataFacts
from bakeoff.store.other_images import (
    OtherImages,
    fingerprint_of,
    load_other_images,
    missing_tests,
    save_other_images,
    save_test,
)
from bakeoff.store.stored_study import read_data
from bakeoff.study import Study


def predict_others(
    root: Path,
    *,
    progress: ProgressCallback | None = None,
    on_wait: Callable[[str], None] = lambda text: None,
) -> None:
    """Test the finished runs of a study on each of its other sets of images, if they were not yet.

    Each set is read once: what a run predicted for it is kept, and runs that are added later must find the
    same images. Runs whose trainer left no model are left out.

    Parameters
    ----------
    root
        The study folder.
    progress
        Called while images are read and models tested.
    on_wait
        Called with the process that uses the folder, if there is one, before waiting for it.

    Raises
    ------
    BakeoffError
        If images cannot be read or are other ones than before, or a model cannot be loaded.
    """
    layout = Layout(root)
    with lock_folder(root, on_wait=on_wait):
        study = read_study(layout)
        facts = read_data(layout)
        for name in study.tests:
            missing = missing_tests(layout, layout.test(name), study)
            missing = [run for run in missing if has_model(layout, study, *run[:2])]
            if missing:
                _test(layout, study, facts, name, missing, progress)


def _test(
    layout: Layout,
    study: Study,
    facts: DataFacts,
    name: str,
    missing: list[tuple[str, int, str]],
    progress: ProgressCallback | None,
) -> None:
    models = (load_model(layout.root, recipe, seed) for recipe, seed, _ in missing)
    first = next(models)
    class_names, of_test = tuple(facts.class_names), layout.test(name)
    try:
        split = load_labeled(
            study.tests[name].as_data,
            class_names,
            first.preprocessing.decoding,
            first.image_size,
            progress=progress,
        )
    except BakeoffError as error:
        raise BakeoffError(f"tests.{name}: {error}") from error
    fingerprint = fingerprint_of(split)
    stored = load_other_images(of_test, len(class_names))
    if stored is None:
        of_test.runs.mkdir(parents=True, exist_ok=True)
        known = known_images(facts.fingerprint, split)
        save_other_images(of_test, OtherImages(split.labels, split.ids, split.groups, fingerprint, known))
    elif stored.fingerprint != fingerprint:
        raise BakeoffError(
            f"tests.{name}: {study.tests[name].source} gives other images or labels now "
            f"({len(split):,} images) than the runs were tested on before ({len(stored.labels):,}); "
            f"give the new images another name, or delete {of_test.runs} to test all runs anew"
        )
    steps = Progress(f"testing on {name}", len(missing), progress)
    for (recipe, seed, identity), model in zip(missing, chain([first], models), strict=True):
        save_test(of_test, recipe, seed, identity, fingerprint, model.logits(split.images))
        steps.advance(1)


def known_images(fingerprint: str, split: Split) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Which images the models of a study know from training, see `find_known`.

    Parameters
    ----------
    fingerprint
        Of the study's images; if they are no longer in the cache, none of the others is checked.
    split
        The others.
    """
    data = find_image_data(fingerprint)
    return np.full(len(split), NOT_CHECKED, np.int64) if data is None else find_known(data, split)
