"""Small images inside the page, one by one or many on one sheet."""

from __future__ import annotations

import base64
import io
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image


def png_data_uri(image: NDArray[np.uint8]) -> str:
    """Encode a uint8 [height, width, 3] RGB image, its pixels as they are, as a `data:` address."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


NUM_SHADES = 15
"""Shades of a map on each side of 0: 5 bits per cell; 8 bits would take twice the space."""

SUPPORTING, OPPOSING = (213, 94, 0), (0, 114, 178)
"""The vermilion and blue of Okabe and Ito, as in the figures: orange is wrong, blue is right."""

STRONGEST_ALPHA = 225
"""Of 255: the image is still visible under the strongest cell of a map."""

LARGEST_WEBP = 16383
"""Pixels per side that the format allows."""

LOWEST_QUALITY = 30
"""Of a sheet that would be too large: the images are still recognized."""

MOST_CELLS = 10_000 * 16 * 16
"""Cells of all maps of a sheet; of more maps, four neighboring cells become one."""


@dataclass(frozen=True)
class Sheet:
    """Square tiles arranged row by row.

    Attributes
    ----------
    columns, rows
        Tiles across and down.
    address
        The sheet as a `data:` address.
    """

    columns: int
    rows: int
    address: str

    def tile(self, index: int) -> str:
        """The CSS style that shows one tile of the sheet, in a box of any size."""
        row, column = divmod(index, self.columns)
        across = 100 * column / (self.columns - 1) if self.columns > 1 else 0
        down = 100 * row / (self.rows - 1) if self.rows > 1 else 0
        size = f"{100 * self.columns}% {100 * self.rows}%"
        return f"background-size: {size}; background-position: {across:.4f}% {down:.4f}%"


def image_sheet(images: NDArray[np.uint8], quality: int, most_bytes: int) -> Sheet:
    """Pack uint8 [num_images, size, size, 3] as one WebP, or as a JPEG if it is too large for that.

    Parameters
    ----------
    images
        The tiles.
    quality
        Of the format, 0 to 100.
    most_bytes
        Of the sheet in base64: if it has more, the quality is lowered by 20 until it fits, but not below
        `LOWEST_QUALITY`.
    """
    from PIL import Image

    sheet, columns, rows = _lay_out(images)
    kind = "WEBP" if max(sheet.shape) <= LARGEST_WEBP else "JPEG"
    content = _encoded(Image.fromarray(sheet), kind, quality=quality)
    while len(content) > most_bytes and quality > LOWEST_QUALITY:
        quality = max(quality - 20, LOWEST_QUALITY)
        content = _encoded(Image.fromarray(sheet), kind, quality=quality)
    return Sheet(columns, rows, f"data:image/{kind.lower()};base64,{content}")


def map_sheet(maps: NDArray[np.float32]) -> Sheet:
    """Pack signed maps [num_maps, size, size] as one PNG: orange above 0, blue below, transparent at 0.

    Each map is scaled by its largest absolute value; the opacity is proportional to the value. Of many maps,
    cells are merged: see `MOST_CELLS`.
    """
    from PIL import Image

    while maps.size > MOST_CELLS and maps.shape[1] % 2 == 0:
        half = maps.shape[1] // 2
        maps = maps.reshape(-1, half, 2, half, 2).mean(axis=(2, 4))
    largest = np.abs(maps).max(axis=(1, 2), keepdims=True, initial=0)
    scaled = np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)
    shades = (np.rint(scaled * NUM_SHADES) + NUM_SHADES).astype(np.uint8)
    sheet, columns, rows = _lay_out(shades)
    picture = Image.frombytes("P", sheet.shape[::-1], sheet.tobytes())
    picture.putpalette([*OPPOSING * (NUM_SHADES + 1), *SUPPORTING * NUM_SHADES])
    alpha = bytes(
        round(STRONGEST_ALPHA * abs(shade) / NUM_SHADES) for shade in range(-NUM_SHADES, NUM_SHADES + 1)
    )
    # The default strategy takes 30 times as long, and gives a larger file.
    content = _encoded(picture, "PNG", transparency=alpha, compress_level=9, compress_type=zlib.Z_RLE)
    return Sheet(columns, rows, f"data:image/png;base64,{content}")


def smaller(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Downscale images to at most `size` pixels per side, by averaging."""
    from PIL import Image

    if images.shape[1] <= size:
        return images
    return np.stack(
        [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX)) for image in images]
    )


def _lay_out(tiles: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, int]:
    """Arrange [num_tiles, size, size, ...] in a nearly square sheet, padded with 0; sheet, columns, rows."""
    columns = max(1, math.ceil(math.sqrt(len(tiles))))
    rows = max(1, math.ceil(len(tiles) / columns))
    size, rest = tiles.shape[1], tiles.shape[3:]
    filled = np.zeros((rows * columns, size, size, *rest), np.uint8)
    filled[: len(tiles)] = tiles
    sheet = filled.reshape(rows, columns, size, size, *rest).swapaxes(1, 2)
    return sheet.reshape(rows * size, columns * size, *rest), columns, rows


def _encoded(picture: Image, kind: str, **options: Any) -> str:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return base64.b64encode(content.getvalue()).decode("ascii")
