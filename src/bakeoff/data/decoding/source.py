"""The file of an image, read again: in part, whole, or with its bytes taken in another order."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image, ImageFile


def read_whole(file: Path | IO[bytes]) -> bytes:
    """Read a file from its beginning."""
    return read_head(file, -1)


def read_head(file: Path | IO[bytes], size: int) -> bytes:
    """Read the first bytes of a file."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(size)
    file.seek(0)
    return file.read(size)


def read_again(file: Path | IO[bytes], raw_mode: str) -> Image.Image:
    """Read a PNG or TIFF file with another raw mode of Pillow, of as many bits per pixel as its own."""
    if not isinstance(file, Path):
        file.seek(0)
    with Image.open(file, formats=("PNG", "TIFF")) as image:
        assert isinstance(image, ImageFile.ImageFile)
        set_raw_mode(image, raw_mode)
        image.load()
        return image


def set_raw_mode(image: ImageFile.ImageFile, raw_mode: str) -> None:
    """Set the order of bytes and channels that Pillow takes the stored pixels to have."""
    image.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in image.tile
    ]
