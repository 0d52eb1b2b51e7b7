"""Decoding: from an image file of any format to uint8 RGB at the study's size."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from bakeoff.data.decoding.bmp import read_bmp
from bakeoff.data.decoding.depth import DeepPixels
from bakeoff.data.decoding.fit import resize
from bakeoff.data.decoding.jpeg2000 import read_jpeg2000
from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.decoding.picture import Picture, Remark, refuse_bomb
from bakeoff.data.decoding.png import SIGNATURE, read_png, without_ancillary_chunks
from bakeoff.data.decoding.pnm import read_pnm
from bakeoff.data.decoding.refusals import reason
from bakeoff.data.decoding.source import read_whole
from bakeoff.data.decoding.tga import read_tga
from bakeoff.data.decoding.tiff import read_tiff
from bakeoff.errors import BakeoffError

DECODER_VERSION = 2
"""Part of the cache key: increase it with any change that alters the decoded pixels."""

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "DIB", "PPM", "TGA", "JPEG2000", "AVIF")
"""Allowed formats. Pillow detects them by content, not by name, and would pass PostScript to Ghostscript."""

READERS: dict[str, Callable[[Any, Path | IO[bytes]], Image.Image | DeepPixels]] = {
    "PNG": read_png,
    "TIFF": read_tiff,
    "PPM": read_pnm,
    "TGA": read_tga,
    "JPEG2000": read_jpeg2000,
}
"""The formats of which a file states more than Pillow regards; the others are loaded by Pillow alone."""

TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets an image upright, by its EXIF orientation."""


def decode_image(
    file: Path | IO[bytes], image_size: int, decoding: Decoding | None = None
) -> NDArray[np.uint8]:
    """Decode one image and resize it, in the way that is used for all images of a study.

    The EXIF orientation is applied; only the first frame of an animation is used; gray, palette, 1-bit and
    CMYK images are converted to RGB; transparency is composited over white, unless alpha is 0 everywhere;
    more than 8 bits per channel are scaled to 8. Then the image is resized to a square, by default without
    regard to its aspect ratio, bilinear with antialiasing (Pillow's `BILINEAR`, whose filter widens when it
    downsamples).

    Parameters
    ----------
    file
        A path, or a file opened for reading in binary mode.
    image_size
        Height and width of the result in pixels.
    decoding
        What else determines the pixels: of the data set, or of the model that gets them.

    Returns
    -------
    uint8 [image_size, image_size, 3], or 1 channel if `decoding` says so.

    Raises
    ------
    BakeoffError
        If the file is missing, truncated, not an image, larger than Pillow's limit against decompression
        bombs, or stores pixels of which it is not known, or not read, what they mean.
    """
    decoding = decoding or Decoding()
    return resize(open_rgb(file, decoding), image_size, decoding.fit, grey=decoding.grey)


def open_rgb(file: Path | IO[bytes], decoding: Decoding | None = None) -> Image.Image:
    """Decode an image at its original size, upright, as 8-bit RGB; see `decode_image`."""
    return read_picture(file).to_rgb(decoding or Decoding())


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow supports."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def read_picture(file: Path | IO[bytes]) -> Picture:
    """Read an image at its original size.

    Raises
    ------
    BakeoffError
        If it cannot be read; see `decode_image`.
    """
    try:
        return _read(file)
    except BakeoffError:
        raise
    except Exception as error:
        # On a damaged file Pillow's readers raise many exceptions: OSError, SyntaxError, ValueError,
        # struct.error, EOFError, KeyError and more.
        try:
            picture = _read_what_pillow_refuses(file)
        except BakeoffError:
            raise
        except Exception:
            picture = None
        if picture is None:
            raise BakeoffError(reason(file, error)) from error
        return picture


def _read(file: Path | IO[bytes]) -> Picture:
    with Image.open(file, formats=_formats()) as image:
        refuse_bomb(*image.size)
        if image.format == "BMP" and (bitmap := read_bmp(read_whole(file))) is not None:
            return Picture(bitmap)
        pixels = READERS.get(image.format or "", _load)(image, file)
        remarks: set[Remark] = {"frames"} if _has_frames(image) else set()
        return Picture(pixels, _upright(image), remarks)


def _read_what_pillow_refuses(file: Path | IO[bytes]) -> Picture | None:
    content = read_whole(file)
    if content.startswith(SIGNATURE):
        return _read(io.BytesIO(without_ancillary_chunks(content)))
    if content.startswith(b"BM") and (bitmap := read_bmp(content)) is not None:
        return Picture(bitmap)
    return None


def _load(image: Image.Image, file: Path | IO[bytes]) -> Image.Image:
    image.load()
    return image.copy() if image.format == "GIF" else image  # whose frames are counted by reading them


def _has_frames(image: Image.Image) -> bool:
    """Whether there are frames or pages after the first; a JPEG's others are previews and depth maps."""
    try:
        return image.format not in ("JPEG", "MPO") and bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is damaged, or the file closed after the only one
        return False


def _upright(image: Image.Image) -> Image.Transpose | None:
    try:
        return TRANSPOSITIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata
        return None
