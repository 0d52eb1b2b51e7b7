"""Decoding: from an image file of any kind to uint8 RGB at the study's size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bakeoff.data.progress import Progress
from bakeoff.data.sources.listing import ListedImage
from bakeoff.errors import BakeoffError
from bakeoff.text import list_some

DECODER_VERSION = 1
"""Part of the cache key: raise it whenever the same file would give other pixels."""

IMAGES_PER_TASK = 32

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "DIB", "PPM", "TGA", "JPEG2000", "AVIF")
"""Pillow goes by the content, whatever the name, and would pass PostScript on to Ghostscript."""


def decode_image(file: Path | IO[bytes], image_size: int) -> NDArray[np.uint8]:
    """Decode one image and resize it, as every image of a study is.

    Upright by its EXIF orientation; the first frame of an animation; grey, palette, 1-bit and CMYK turned
    into RGB; transparency composited over white; 16-bit grey scaled to 8 bits. Then squeezed to a square,
    bilinear with antialiasing (Pillow's `BILINEAR`, whose filter widens when it shrinks).

    Parameters
    ----------
    file
        A path, or a file opened for reading in binary mode.
    image_size
        Height and width of the result in pixels.

    Returns
    -------
    uint8 [image_size, image_size, 3].

    Raises
    ------
    BakeoffError
        If the file is missing, truncated, no image, larger than Pillow's limit against decompression
        bombs, or of a kind without a defined range of values (float).
    """
    return resize(open_rgb(file), image_size)


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow knows."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_rgb(file: Path | IO[bytes]) -> Image.Image:
    """Decode an image at its own size, upright, as 8-bit RGB; see `decode_image`."""
    try:
        with Image.open(file, formats=_formats()) as image:
            _refuse_bomb(image)
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except BakeoffError:
        raise
    except Exception as error:
        # A damaged file makes Pillow's readers raise whatever they trip over: OSError, SyntaxError,
        # ValueError, struct.error, EOFError, KeyError and more.
        raise BakeoffError(_reason(file, error)) from error


def resize(image: Image.Image, image_size: int) -> NDArray[np.uint8]:
    """Resize an RGB image to uint8 [image_size, image_size, 3], bilinear with antialiasing."""
    return np.asarray(image.resize((image_size, image_size), Image.Resampling.BILINEAR))


def decode_all(
    listed: Sequence[ListedImage], rows: Sequence[NDArray[np.uint8]], *, progress: Progress
) -> NDArray[np.int32]:
    """Decode images in threads (Pillow lets go of the interpreter lock while it works).

    Parameters
    ----------
    listed
        What to decode.
    rows
        For each image uint8 [image_size, image_size, 3], written in place.
    progress
        Advanced by one for each image.

    Returns
    -------
    int32 [num_images, 2], the original width and height in pixels.

    Raises
    ------
    BakeoffError
        Naming the images that cannot be decoded, the first ten and the count, after all were tried.
    """
    sizes = np.zeros((len(listed), 2), np.int32)
    problems: dict[int, str] = {}

    def decode_some(start: int) -> int:
        stop = min(start + IMAGES_PER_TASK, len(listed))
        for index in range(start, stop):
            source = listed[index].image
            try:
                image = open_rgb(source) if isinstance(source, Path) else Image.fromarray(source)
                sizes[index] = image.size
                rows[index][:] = resize(image, len(rows[index]))
            except BakeoffError as error:
                problems[index] = f"{listed[index].id}: {error}"
        return stop - start

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            tasks = [pool.submit(decode_some, start) for start in range(0, len(listed), IMAGES_PER_TASK)]
            for task in as_completed(tasks):
                progress.advance(task.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    refuse_bad_images([problems[index] for index in sorted(problems)])
    return sizes


def refuse_bad_images(problems: list[str]) -> None:
    """Raise a BakeoffError that lists what is wrong with which image, if anything is."""
    if problems:
        count = "1 image" if len(problems) == 1 else f"{len(problems)} images"
        raise BakeoffError(f"{count} cannot be decoded; replace or remove:\n{list_some(problems)}")


def _refuse_bomb(image: Image.Image) -> None:
    # Pillow itself only warns up to twice its limit.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise BakeoffError(
            f"{image.width} x {image.height} pixels are more than the limit of {limit} "
            "(a decompression bomb?); make it smaller"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _grey16_to_grey8(image).convert("RGB")
    if image.mode == "F":
        raise BakeoffError("floating-point pixels have no defined range; save it with 8 or 16 bits a channel")
    if image.has_transparency_data:
        foreground = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, foreground).convert("RGB")
    return image.convert("RGB")


def _grey16_to_grey8(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255, rounded. Pillow's own conversion clips everything above 255 to white."""
    values = np.asarray(image).astype(np.int64)  # mode "I" is int32, but 16-bit files open as it too
    if values.min() < 0 or values.max() > 65535:
        raise BakeoffError(
            f"32-bit pixels from {values.min()} to {values.max()} have no defined range; "
            "save it with 8 or 16 bits a channel"
        )
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _reason(file: Path | IO[bytes], error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        empty = isinstance(file, Path) and file.stat().st_size == 0
        return "the file is empty" if empty else "not an image of a known kind"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:300] or type(error).__name__
