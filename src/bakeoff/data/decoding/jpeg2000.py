"""JPEG 2000: bit depths that Pillow scales wrongly."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile

from bakeoff.data.decoding.depth import WHITE_16_BITS, deep_gray
from bakeoff.data.decoding.source import read_whole
from bakeoff.errors import BakeoffError

START_OF_CODE_STREAM = b"\xff\x4f\xff\x51"


def read_jpeg2000(image: ImageFile.ImageFile, file: Path | IO[bytes]) -> Image.Image:
    """Read the pixels of an opened JPEG 2000 file.

    Raises
    ------
    BakeoffError
        If Pillow would give wrong pixels: more than 8 bits in color, where it turns white into black, or
        channels of different depths.
    """
    depths = _bits_per_channel(read_whole(file))
    bits = max(depths, default=8)
    if image.mode == "I;16":  # gray of more than 8 bits, which Pillow scales to 16
        image.load()
        return deep_gray(np.asarray(image), "uint16").scaled(WHITE_16_BITS)
    if bits > 8 or len(set(depths)) > 1 or (bits < 8 and image.mode in ("P", "PA")):
        raise BakeoffError(
            f"a JPEG 2000 file of mode {image.mode} with {', '.join(map(str, depths))} bits per channel; "
            "expected 8, or gray of up to 16: save it as PNG or TIFF"
        )
    image.load()
    if bits == 8:
        return image
    # Pillow shifts them to 8 bits, which leaves white gray.
    largest = (1 << bits) - 1
    scale = [min((value >> (8 - bits)) * 255 // largest, 255) for value in range(256)]
    return image.point(scale * len(image.getbands()))


def _bits_per_channel(content: bytes) -> list[int]:
    """Read the segment SIZ, with which a code stream begins."""
    start = content.find(START_OF_CODE_STREAM) + len(START_OF_CODE_STREAM)
    (channels,) = struct.unpack_from(">H", content, start + 36)
    sizes = content[start + 38 : start + 38 + 3 * channels : 3]
    return [(size & 0x7F) + 1 for size in sizes]
