"""Decoding: from an image file of any format to uint8 RGB at the study's size."""

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
from bakeoff.text import counted, list_some

DECODER_VERSION = 1
"""Part of the cache key: increase it with any change that alters the decoded pixels."""

IMAGES_PER_TASK = 32

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "DIB", "PPM", "TGA", "JPEG2000", "AVIF")
"""Allowed formats. Pillow detects them by content, not by name, and would pass PostScript to Ghostscript."""


def decode_image(file: Path | IO[bytes], image_size: int) -> NDArray[np.uint8]:
    """Decode one image and resize it, in the way that is used for all images of a study.

    The EXIF orientation is applied; only the first frame of an animation is used; gray, palette, 1-bit and
    CMYK images are converted to RGB; transparency is composited over white; 16-bit gray is scaled to 8 bits.
    Then the image is resized to a square without regard to its aspect ratio, bilinear with antialiasing
    (Pillow's `BILINEAR`, whose filter widens when it downsamples).

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
        If the file is missing, truncated, not an image, larger than Pillow's limit against decompression
        bombs, or has pixels without a defined range of values (float).
    """
    return resize(open_rgb(file), image_size)


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow supports."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_rgb(file: Path | IO[bytes]) -> Image.Image:
    """Decode an image at its original size, upright, as 8-bit RGB; see `decode_image`."""
    try:
        with Image.open(file, formats=_formats()) as image:
            _refuse_bomb(image)
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except BakeoffError:
        raise
    except Exception as error:
        # On a damaged file Pillow's readers raise many exceptions: OSError, SyntaxError, ValueError,
        # struct.error, EOFError, KeyError and more.
        raise BakeoffError(_reason(file, error)) from error


def resize(image: Image.Image, image_size: int) -> NDArray[np.uint8]:
    """Resize an RGB image to uint8 [image_size, image_size, 3], bilinear with antialiasing."""
    return np.asarray(image.resize((image_size, image_size), Image.Resampling.BILINEAR))


def decode_all(
    listed: Sequence[ListedImage], rows: Sequence[NDArray[np.uint8]], *, progress: Progress
) -> NDArray[np.int32]:
    """Decode images in threads (Pillow releases the global interpreter lock while it decodes).

    Parameters
    ----------
    listed
        The images to decode.
    rows
        For each image uint8 [image_size, image_size, 3], written in place.
    progress
        Advanced by one for each image.

    Returns
    -------
    int32 [num_images, 2], the original widths and heights in pixels.

    Raises
    ------
    BakeoffError
        If images cannot be decoded: raised after all were tried, with the first ten and their number.
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
    """Raise a BakeoffError that lists the problems of images, if there are any."""
    if problems:
        count = counted(len(problems), "image")
        raise BakeoffError(f"{count} cannot be decoded; replace or remove:\n{list_some(problems)}")


def _refuse_bomb(image: Image.Image) -> None:
    # Pillow itself only warns up to twice its limit.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise BakeoffError(
            f"{image.width} x {image.height} pixels exceed the limit of {limit} "
            "(a decompression bomb?); make the image smaller"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _gray16_to_gray8(image).convert("RGB")
    if image.mode == "F":
        raise BakeoffError(
            "floating-point pixels have no defined range; save it with 8 or 16 bits per channel"
        )
    if image.has_transparency_data:
        foreground = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, foreground).convert("RGB")
    return image.convert("RGB")


def _gray16_to_gray8(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255, rounded. Pillow's own conversion clips everything above 255 to white."""
    values = np.asarray(image).astype(np.int64)  # mode "I" is int32, but also used for 16-bit files
    if values.min() < 0 or values.max() > 65535:
        raise BakeoffError(
            f"32-bit pixels from {values.min()} to {values.max()} have no defined range; "
            "save it with 8 or 16 bits per channel"
        )
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _reason(file: Path | IO[bytes], error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        empty = isinstance(file, Path) and file.stat().st_size == 0
        return "the file is empty" if empty else "not an image of a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:300] or type(error).__name__
