"""BMP: palettes and color masks, of which Pillow reads some wrongly and refuses others."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.data.decoding.picture import refuse_bomb
from bakeoff.errors import BakeoffError

RGB, BIT_FIELDS, ALPHA_BIT_FIELDS = 0, 3, 6  # values of the field `compression`

ALL_MASKS_ZERO = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
"""What masks of 0 stand for: red, green, blue and alpha."""

OS2_HEADER = 12
WITH_ALPHA_MASK = 56  # the smallest header with a fourth mask


def read_bmp(content: bytes) -> Image.Image | None:
    """Read a BMP file with a palette or color masks as an image of mode RGB or RGBA.

    Returns
    -------
    image or None
        None if it is compressed, or has neither: Pillow reads it.

    Raises
    ------
    BakeoffError
        If it is truncated, too large, or has masks that make no sense.
    """
    try:
        start, size = struct.unpack_from("<II", content, 10)
        if size == OS2_HEADER:
            width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
            compression, num_colors, entry = RGB, 0, 3
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", content, 18)
            num_colors, entry = *struct.unpack_from("<I", content, 46), 4
        if not (
            (compression == RGB and bits in (1, 2, 4, 8))
            or (compression in (BIT_FIELDS, ALPHA_BIT_FIELDS) and bits in (16, 24, 32))
        ):
            return None
        masks = (0, 0, 0, 0) if compression == RGB else struct.unpack_from("<4I", content, 54)
    except struct.error as error:
        raise BakeoffError("the header is truncated") from error
    top_down, height = height < 0, abs(height)
    if width <= 0 or height == 0:
        raise BakeoffError(f"a size of {width} x {height} pixels")
    refuse_bomb(width, height)
    if compression == RGB:
        palette = _palette(content, 14 + size, num_colors or 1 << bits, entry)
        start = start if start > 14 + size else 14 + size + len(palette) * entry
        pixels = palette[np.minimum(_values(content, start, width, height, bits), len(palette) - 1)]
    else:
        if size < WITH_ALPHA_MASK and compression == BIT_FIELDS:
            masks = (*masks[:3], 0)
        pixels = _channels(
            _values(content, start, width, height, bits), masks if any(masks) else ALL_MASKS_ZERO
        )
    return Image.fromarray(np.ascontiguousarray(pixels if top_down else pixels[::-1]))


def _values(content: bytes, start: int, width: int, height: int, bits: int) -> NDArray[np.uint32]:
    """The value of each pixel, uint32 [height, width], in the order of the file; rows end at 4 bytes."""
    stride = (width * bits + 31) // 32 * 4
    if len(content) < start + stride * height:
        raise BakeoffError(f"the file is truncated ({len(content):,} bytes)")
    rows = np.frombuffer(content, np.uint8, stride * height, start).reshape(height, stride)
    if bits < 8:
        values = np.unpackbits(rows, axis=1)[:, : width * bits].reshape(height, width, bits)
        return np.packbits(values, axis=2)[..., 0].astype(np.uint32) >> np.uint32(8 - bits)
    size = bits // 8
    parts = np.zeros((height, width, 4), np.uint8)
    parts[..., :size] = rows[:, : width * size].reshape(height, width, size)
    return parts.view("<u4")[..., 0]


def _palette(content: bytes, start: int, num_colors: int, entry: int) -> NDArray[np.uint8]:
    """uint8 [num_colors, 3]: stored as blue, green, red, and a byte of no meaning if `entry` is 4."""
    size = min(num_colors, 256) * entry
    colors = np.frombuffer(content[start : start + size], np.uint8)
    if len(colors) < size:
        raise BakeoffError("the palette is truncated")
    return colors.reshape(-1, entry)[:, 2::-1]


def _channels(values: NDArray[np.uint32], masks: tuple[int, ...]) -> NDArray[np.uint8]:
    """uint8 [height, width, 3 or, with a mask for alpha, 4]: the bits of each mask, scaled to 0..255."""
    channels = []
    for mask in masks if masks[3] else masks[:3]:
        shift = (mask & -mask).bit_length() - 1
        largest = mask >> max(shift, 0)
        if mask == 0 or largest & (largest + 1):
            raise BakeoffError(f"the color masks {', '.join(f'{mask:#x}' for mask in masks)} make no sense")
        channel = (values & mask) >> shift
        # Multiplied in 64 bits: a channel may have all 32.
        scaled = channel if largest == 255 else channel.astype(np.uint64) * 255 // largest
        channels.append(scaled.astype(np.uint8))
    return np.stack(channels, axis=2)
