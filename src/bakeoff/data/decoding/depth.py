"""Depth: which stored value is white, for pixels of more than 8 bits per channel.

A 16-bit file may hold 10-bit values, and nothing in the file need say so; a dark image alone does not tell
either. So white is one value for all images of a data set that are stored in the same way, found from the
largest value in any of them, and kept with the models trained on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.errors import BakeoffError

BITS = (8, 10, 12, 14)
"""Depths that are found from values stored with more bits; a larger value needs all 16."""

SURELY_16_BITS = 1 << BITS[-1]

WHITE_16_BITS = (1 << 16) - 1

STORAGES = {
    "uint16": "16-bit integers",
    "int16": "signed 16-bit integers",
    "uint32": "32-bit integers",
    "int32": "signed 32-bit integers",
    "float32": "floating-point numbers",
}
"""How pixels of more than 8 bits are stored. `uint16/12`: the file states 12 significant bits."""


@dataclass(frozen=True)
class DeepPixels:
    """Pixels of more than 8 bits per channel, as stored.

    Attributes
    ----------
    storage
        How they are stored: see `STORAGES`.
    peak
        The largest value of a color; at least `SURELY_16_BITS` if the values are not needed.
    values
        [height, width, 1 to 4]: gray or RGB, perhaps with alpha. None if they are not needed.
    inverted
        Whether 0 is white.
    as_16_bits
        What Pillow makes of colors, for which 65,535 is white.
    """

    storage: str
    peak: float
    values: NDArray[np.generic] | None
    inverted: bool = False
    as_16_bits: Image.Image | None = None

    def scaled(self, white: float) -> Image.Image:
        """The image with 8 bits per channel, of mode L, LA, RGB or RGBA, if this value is white.

        Raises
        ------
        BakeoffError
            If a value is above white.
        """
        if self.peak > white:
            raise BakeoffError(
                f"{described(self.storage)} up to {self.peak:,g}, while {white:,g} is white in this data "
                "set; save it with 8 bits per channel"
            )
        if white == WHITE_16_BITS and self.as_16_bits is not None:
            return self.as_16_bits
        assert self.values is not None
        channels = self.values.shape[2]
        colors = _to_8_bits(self.values[..., : channels - 1 + channels % 2], white)
        if self.inverted:
            colors = 255 - colors
        if channels % 2:
            return Image.fromarray(colors[..., 0] if channels == 1 else colors)
        alpha = self.values[..., -1:]
        opaque = white if alpha.max() <= white else WHITE_16_BITS
        return Image.fromarray(np.concatenate([colors, _to_8_bits(alpha, opaque)], axis=2))


def _to_8_bits(values: NDArray[np.generic], white: float) -> NDArray[np.uint8]:
    """Scale 0..white to 0..255, rounded."""
    if values.dtype.kind == "f":
        return np.rint(values.astype(np.float64) * (255 / white)).astype(np.uint8)
    full = int(white)
    return ((values.astype(np.int64) * 255 + full // 2) // full).astype(np.uint8)


def deep_gray(values: NDArray[np.generic], storage: str, *, inverted: bool = False) -> DeepPixels:
    """Pixels of one channel, [height, width], as stored.

    Raises
    ------
    BakeoffError
        If a value cannot be a color, because it is negative, too large or not a number.
    """
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= (255 if storage == "float32" else WHITE_16_BITS)):
        raise BakeoffError(
            f"{described(storage)} from {low:,} to {high:,} have no defined range; "
            "save it with 8 or 16 bits per channel"
        )
    return DeepPixels(storage, high.item(), values[..., None], inverted)


def known_white(storage: str, peak: float) -> float | None:
    """The value that is white whatever other images hold; None if they have to be asked."""
    return _largest(storage) if storage != "float32" and peak >= SURELY_16_BITS else None


def find_white(storage: str, peak: float) -> float:
    """Find the value that is white from the largest one in all images that are stored in this way.

    Raises
    ------
    BakeoffError
        If no depth fits.
    """
    if storage == "float32":
        if peak <= 1 or peak >= 128:
            return 1 if peak <= 1 else 255
        raise BakeoffError(
            f"{described(storage)} up to {peak:g} in this data set have no defined range: expected 0 to 1, "
            "or 0 to 255; save them with 8 or 16 bits per channel"
        )
    stated = int(storage.partition("/")[2] or 0)
    depths = [bits for bits in sorted({*BITS, stated} - {0}) if bits >= stated and peak < 1 << bits]
    return (1 << depths[0]) - 1 if depths else _largest(storage)


def described(storage: str) -> str:
    """Describe a way of storing pixels."""
    name, _, bits = storage.partition("/")
    return STORAGES[name] + (f" with {bits} significant bits" if bits else "")


def _largest(storage: str) -> int:
    return (1 << 15) - 1 if storage == "int16" else WHITE_16_BITS
