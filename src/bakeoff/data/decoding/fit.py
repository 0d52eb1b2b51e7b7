"""resize(): from an image of any shape to a square."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Fit = Literal["stretch", "crop", "pad"]

DONE: dict[Fit, str] = {
    "stretch": "stretched to a square",
    "crop": "cropped to the square in their middle",
    "pad": "padded with black to a square",
}
"""What happens to images that are not square."""


def resize(
    image: Image.Image, image_size: int, fit: Fit = "stretch", *, grey: bool = False
) -> NDArray[np.uint8]:
    """Resize an RGB image to uint8 [image_size, image_size, 3], bilinear with antialiasing.

    With `grey` the result has one channel, by ITU-R BT.601; if channels are equal, it has their values.
    """
    if grey:
        return _resize(image.convert("L"), image_size, fit)[..., None]
    return _resize(image, image_size, fit)


def to_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """The image of uint8 [height, width, channels] with one or three channels."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _resize(image: Image.Image, image_size: int, fit: Fit) -> NDArray[np.uint8]:
    size, bilinear = (image_size, image_size), Image.Resampling.BILINEAR
    if fit == "crop":
        return np.asarray(ImageOps.fit(image, size, bilinear))
    if fit == "pad":
        width, height = image.size
        if round(image_size * min(image.size) / max(image.size)) == 0:  # less than half a pixel
            line = (image_size, 1) if width > height else (1, image_size)
            image = image.resize(line, bilinear)
        return np.asarray(ImageOps.pad(image, size, bilinear))
    return np.asarray(image.resize(size, bilinear))
