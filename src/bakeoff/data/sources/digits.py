"""The source `digits`: scikit-learn's handwritten digits, which come with its installation."""

from __future__ import annotations

import numpy as np

from bakeoff.data.sources.listing import ListedImage, Listing

MAX_GRAY_LEVEL = 16


def list_digits() -> Listing:
    """List the 1,797 handwritten digits (8 x 8, 17 gray levels) as 8-bit RGB; all of them are in train.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI (1998), test set.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    gray = np.rint(digits.images * (255 / MAX_GRAY_LEVEL)).astype(np.uint8)  # [num_images, 8, 8]
    images = np.repeat(gray[..., None], 3, axis=3)
    train = [
        ListedImage(str(index), int(label), image)
        for index, (label, image) in enumerate(zip(digits.target, images, strict=True))
    ]
    return Listing({"train": train}, tuple(str(name) for name in digits.target_names))
