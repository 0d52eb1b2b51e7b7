"""TGA: the attribute bit of 16-bit colors, where the file states that it is not alpha."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image, ImageFile

from bakeoff.data.decoding.source import read_whole

ATTRIBUTE_BITS = 0x0F  # of the last byte of the header


def read_tga(image: ImageFile.ImageFile, file: Path | IO[bytes]) -> Image.Image:
    """Read the pixels of an opened TGA file."""
    image.load()
    header = read_whole(file)[:18]
    depth = header[7] if image.mode == "P" else header[16]
    if depth == 16 and image.mode != "LA" and not header[17] & ATTRIBUTE_BITS:
        return image.convert("RGBA").convert("RGB")
    return image
