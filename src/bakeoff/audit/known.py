"""find_known(): which of other images a model knows from training, because they are among its images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.auditing import linked_images
from bakeoff.audit.repeats import SUSPICIOUS_SHARE
from bakeoff.data.image_data import IDENTICAL, NEARLY, NEW, ImageData, Split


def find_known(data: ImageData, others: Split) -> NDArray[np.int64]:
    """Find which of other images are training or validation images, too: identical, nearly so, or mirrored.

    As in the data check, near duplicates are not searched for among small images, and do not count where so
    many images have one that the measure cannot tell copies from images of the same kind.

    Parameters
    ----------
    data
        What models were trained on.
    others
        Images of the same size, with their labels.

    Returns
    -------
    int64 [num_others], NEW, IDENTICAL or NEARLY.
    """
    images = linked_images(replace(data, test=others))
    first = len(images) - len(others)
    can_tell_near = images.share_with_near_duplicates() <= SUSPICIOUS_SHARE
    known = np.full(len(others), NEW, np.int64)
    for matches in images.matches(lambda partner, image: partner < first <= image).values():
        for match in matches:
            if match.rank == 0 or can_tell_near:
                known[match.image - first] = IDENTICAL if match.rank == 0 else NEARLY
    return known
