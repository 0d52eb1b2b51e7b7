"""The source `digits`: scikit-learn's handwritten digits, embedded in its installation."""

from __future__ import annotations

import numpy as np

from bakeoff.data.sources.listing import ListedImage, Listing

GREY_LEVELS = 16


def list_digits() -> Listing:
    """List the 1,797 handwritten digits (8 x 8, 17 grey levels) as 8-bit RGB; all of them are in train.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI (1998), test part.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / GREY_LEVELS)).astype(np.uint8)  # [num_images, 8, 8]
    images = np.repeat(grey[..., None], 3, axis=3)
    train = [
        ListedImage(str(index), int(label), image)
        for index, (label, image) in enumerate(zip(digits.target, images, strict=True))
    ]
    return Listing({"train": train}, tuple(str(name) for name in digits.target_names))
