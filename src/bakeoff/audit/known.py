"""find_known(): which of other images a model knows from training, because they are among its images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.auditing import linked_images
from bakeoff.data.image_data import IDENTICAL, LOOKS_LIKE, NEARLY, NEW, NOT_IDENTICAL, ImageData, Split


def find_known(data: ImageData, others: Split) -> NDArray[np.int64]:
    """Find which of other images are training or validation images, too: identical, nearly so, or mirrored.

    As in the data check, near duplicates are not searched for among small images, and are not called copies
    where so many images have one that the measure cannot tell copies from images of the same kind.

    Parameters
    ----------
    data
        What models were trained on.
    others
        Images of the same size, with their labels.

    Returns
    -------
    int64 [num_others]: NEW, IDENTICAL, NEARLY, LOOKS_LIKE or NOT_IDENTICAL.
    """
    images = linked_images(replace(data, test=others))
    first = len(images) - len(others)
    near = LOOKS_LIKE if images.is_doubtful else NEARLY
    known = np.full(len(others), NEW if images.search_near else NOT_IDENTICAL, np.int64)
    for matches in images.matches(lambda partner, image: partner < first <= image).values():
        for match in matches:
            known[match.image - first] = IDENTICAL if match.rank == 0 else near
    return known
