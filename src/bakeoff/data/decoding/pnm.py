"""PNM (PBM, PGM, PPM): 16-bit values, of which Pillow would keep 8 bits in color."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile

from bakeoff.data.decoding.depth import WHITE_16_BITS, DeepPixels, deep_gray
from bakeoff.data.decoding.source import read_whole
from bakeoff.errors import BakeoffError


def read_pnm(image: ImageFile.ImageFile, file: Path | IO[bytes]) -> Image.Image | DeepPixels:
    """Read the pixels of an opened PNM file.

    A largest value (maxval) of 65,535 states only that values have 16 bits; any other one is white.
    """
    tile, (width, height) = image.tile[0], image.size
    if image.mode == "F":
        image.load()
        return deep_gray(np.asarray(image), "float32")
    is_gray_of_16_bits = tile.args in ("I;16B", ("I;16B", 0, 1))
    is_plain = tile.codec_name == "ppm_plain"
    maxval = tile.args[-1] if isinstance(tile.args, tuple) else 0
    if not is_gray_of_16_bits and maxval != WHITE_16_BITS:
        image.load()
        if image.mode != "I":
            return image
        return deep_gray(np.asarray(image), "uint16").scaled(WHITE_16_BITS)  # as Pillow has scaled it
    channels = 3 if image.mode == "RGB" else 1
    content = read_whole(file)[tile.offset :]
    try:
        if is_plain:
            tokens = re.sub(rb"#[^\r\n]*", b"", content).split()[: width * height * channels]
            values = np.array(tokens, np.int64)
        else:
            values = np.frombuffer(content, ">u2", width * height * channels)
        values = values.reshape(height, width, channels)
    except ValueError as error:
        raise BakeoffError("the file is truncated, or holds what is no number") from error
    if values.min() < 0 or values.max() > WHITE_16_BITS:
        raise BakeoffError(f"values from {values.min()} to {values.max()}; expected 0 to {WHITE_16_BITS}")
    return DeepPixels("uint16", int(values.max()), values)
