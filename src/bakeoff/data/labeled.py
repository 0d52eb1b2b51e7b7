"""load_labeled(): labeled images of a source to be tested on, as one set."""

from __future__ import annotations

import numpy as np

from bakeoff.data.decode_all import decode_all
from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.image_data import Split
from bakeoff.data.progress import Progress, ProgressCallback
from bakeoff.data.sources.listing import ListedImage
from bakeoff.data.sources.naming import list_source
from bakeoff.errors import BakeoffError
from bakeoff.study.settings.data import DataSettings
from bakeoff.text import list_some, listed, shorten


def check_labeled(settings: DataSettings, class_names: tuple[str, ...]) -> int:
    """Check that `load_labeled` finds images of known classes, and return their number; none is decoded.

    Raises
    ------
    BakeoffError
        If it does not.
    """
    return len(_list_labeled(settings, class_names)[0])


def load_labeled(
    settings: DataSettings,
    class_names: tuple[str, ...],
    decoding: Decoding,
    image_size: int,
    *,
    progress: ProgressCallback | None = None,
) -> Split:
    """Read the test images of a source, or all of its images if it has no test split.

    Parameters
    ----------
    settings
        With the source.
    class_names
        Of the models, in label order: the source may lack some of them, and may not have others.
    decoding, image_size
        As in training.
    progress
        As for `load_data`.

    Raises
    ------
    BakeoffError
        If the source cannot be read, has another class, or an image cannot be decoded.
    """
    images, names = _list_labeled(settings, class_names)
    pixels = np.empty((len(images), image_size, image_size, decoding.num_channels), np.uint8)
    steps = Progress("decoding images", len(images), progress)
    decoded = decode_all(images, list(pixels), decoding, progress=steps)
    if decoded.unreadable:
        reasons = [f"{images[index].id}: {decoded.unreadable[index]}" for index in sorted(decoded.unreadable)]
        raise BakeoffError(
            f"{settings.source}: images that cannot be decoded; replace or remove:\n{list_some(reasons)}"
        )
    groups = tuple(image.group for image in images)
    return Split(
        pixels,
        np.array([class_names.index(name) for name in names], np.int64),
        tuple(image.id for image in images),
        groups if any(groups) else None,
    )


def _list_labeled(
    settings: DataSettings, class_names: tuple[str, ...]
) -> tuple[list[ListedImage], list[str]]:
    """The images to be tested on, and the class of each."""
    listing = list_source(settings)
    splits = [name for name in listing.splits if listing.splits[name]]
    chosen = ["test"] if "test" in splits else splits
    images = [image for name in splits if name in chosen for image in listing.splits[name]]
    names = [listing.class_names[image.label] for image in images]
    if unknown := sorted({*names} - {*class_names}):
        raise BakeoffError(
            f"{settings.source}: the models do not know the classes {listed([*map(shorten, unknown)][:10])}; "
            f"they know {listed([*map(shorten, class_names)][:20])}"
        )
    return images, names
