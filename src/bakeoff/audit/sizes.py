"""Findings about the images' sizes and shapes before they were resized to one square."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bakeoff.audit.findings import SHOWN, Finding
from bakeoff.audit.links import Images

FAR_FROM_SQUARE = 2.0
"""Images are squeezed to a square; a median beyond this ratio of the sides is a bad distortion of most."""

ODD_SHAPE = 3.0
"""An image this many times as wide for its height as the median, or as high for its width, is odd."""

ODD_SIZE = 4.0
"""An image whose side (of a square of its area) is more than this many times the median or less is odd."""


def find_odd_sizes(images: Images, sizes: NDArray[np.int32]) -> list[Finding]:
    """Images far more elongated, smaller or larger than the others, and a median far from a square.

    Parameters
    ----------
    images
        Gives them their names.
    sizes
        int [num_images, 2]: widths and heights before resizing, in the order of `images`.
    """
    width, height = sizes.astype(np.float64).T
    shape, side = width / height, np.sqrt(width * height)
    findings = []
    if odd := _far_from_the_median(shape, ODD_SHAPE):
        findings.append(
            Finding(
                "warning",
                "odd-shapes",
                len(odd),
                f"{_images(odd)} far more elongated than the others: "
                f"{_pixels(sizes[odd[0]])} pixels, where {_pixels(np.median(sizes, axis=0))} is the median.",
                "All are squeezed to a square, and a sliver shows little then: crop or remove them.",
                images=tuple(images.name(image) for image in odd[:SHOWN]),
            )
        )
    if odd := _far_from_the_median(side, ODD_SIZE):
        least, most = sizes[side.argmin()], sizes[side.argmax()]
        findings.append(
            Finding(
                "warning",
                "odd-sizes",
                len(odd),
                f"{_images(odd)} far smaller or larger than the others: {_pixels(least)} to {_pixels(most)} "
                f"pixels, where {_pixels(np.median(sizes, axis=0))} is the median.",
                "Look at them: thumbnails and icons say little once enlarged.",
                images=tuple(images.name(image) for image in odd[:SHOWN]),
            )
        )
    median = np.median(sizes, axis=0)
    if median.max() > FAR_FROM_SQUARE * median.min():
        findings.append(
            Finding(
                "warning",
                "far-from-square",
                len(sizes),
                f"Images are far from square before resizing: {_pixels(median)} pixels at the median.",
                "All are squeezed to a square; crop them first if shapes matter.",
            )
        )
    return findings


def _far_from_the_median(values: NDArray[np.float64], factor: float) -> list[int]:
    """Images more than this factor above or below the median, the farthest first."""
    distance = np.abs(np.log(values / np.median(values)))
    order = np.argsort(-distance, kind="stable")
    return [int(image) for image in order if distance[image] > np.log(factor)]


def _images(found: list[int]) -> str:
    return "1 image is" if len(found) == 1 else f"{len(found):,} images are"


def _pixels(size: NDArray[np.floating] | NDArray[np.integer]) -> str:
    return f"{size[0]:g} x {size[1]:g}"
