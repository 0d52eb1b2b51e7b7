"""TIFF: bits per sample, signs, white points and palettes as the file states them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImagePalette
from PIL.TiffImagePlugin import TiffImageFile

from bakeoff.data.decoding.depth import SURELY_16_BITS, DeepPixels, deep_gray
from bakeoff.data.decoding.source import read_again, set_raw_mode
from bakeoff.errors import BakeoffError

BITS_PER_SAMPLE, PHOTOMETRIC, PLANAR, COLOR_MAP, SUBSAMPLING, SAMPLE_FORMAT = 258, 262, 284, 320, 530, 339

WHITE_IS_ZERO, YCBCR = 0, 6  # values of PHOTOMETRIC

SIGNED = 2  # value of SAMPLE_FORMAT

NATIVE = "L" if sys.byteorder == "little" else "B"


def read_tiff(image: TiffImageFile, file: Path | IO[bytes]) -> Image.Image | DeepPixels:
    """Read the pixels of an opened TIFF file.

    Raises
    ------
    BakeoffError
        If Pillow would give wrong pixels.
    """
    tags = image.tag_v2
    bits = tags.get(BITS_PER_SAMPLE, (1,))[0]
    is_signed = SIGNED in tags.get(SAMPLE_FORMAT, ())
    is_planar = tags.get(PLANAR) == 2
    photometric = tags.get(PHOTOMETRIC, WHITE_IS_ZERO)
    by_libtiff = image.tile[0].codec_name == "libtiff"
    raw_mode = _raw_mode(image)
    if bits == 8 and is_signed:
        raise BakeoffError("pixels with a sign, of 8 bits; save it without a sign")
    if photometric == YCBCR and not by_libtiff and tuple(tags.get(SUBSAMPLING, (2, 2))) != (1, 1):
        raise BakeoffError("YCbCr colors at half the resolution, without compression; save it as RGB")
    if by_libtiff and image.mode in ("I", "F"):
        # Libtiff has put the bytes into the order of the machine.
        set_raw_mode(image, {"I": f"I;{bits}N{'S' if is_signed else ''}", "F": "F;32NF"}[image.mode])
    elif bits == 16 and is_planar and not by_libtiff:
        _set_planes(image, raw_mode)
    image.load()
    if image.mode == "P":
        _correct_palette(image, tags[COLOR_MAP])
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        if image.mode == "I" and bits == 32 and not is_signed:
            values = values.view(np.uint32)
        inverted = photometric == WHITE_IS_ZERO
        if bits == 12:
            white = (1 << bits) - 1
            return DeepPixels("uint12", white, values[..., None], inverted).scaled(white)
        storage = "float32" if image.mode == "F" else f"{'' if is_signed else 'u'}int{bits}"
        return deep_gray(values, storage, inverted=inverted)
    if bits == 16 and image.mode in ("RGB", "RGBA"):
        return _deep_color(image, raw_mode, file, in_planes=is_planar)
    return image


def _raw_mode(image: TiffImageFile) -> str:
    args = image.tile[0].args
    return args if isinstance(args, str) else str(args[0]) if args else ""


def _set_planes(image: TiffImageFile, raw_mode: str) -> None:
    """Tell Pillow that the channels, each in a plane of its own, have 16 bits; it takes them for 8."""
    order = "L" if image.tag_v2.prefix == b"II" else "B"
    if image.mode not in ("RGB", "RGBA"):
        raise BakeoffError("16 bits per channel, each channel in its own plane; save it as RGB")
    image.tile = [
        tile._replace(args=(f"{tile.args[0]};16{order}", *tile.args[1:]))
        for tile in image.tile
        if isinstance(tile.args, tuple)
    ]


def _correct_palette(image: TiffImageFile, color_map: tuple[int, ...]) -> None:
    """Take a palette of 8-bit values for what it is, as libtiff does; values should have 16 bits."""
    if max(color_map) < 256:
        image.palette = ImagePalette.raw("RGB;L", bytes(color_map))
        image.palette.dirty = 1
        Image.Image.load(image)


def _deep_color(
    image: TiffImageFile, raw_mode: str, file: Path | IO[bytes], *, in_planes: bool
) -> DeepPixels:
    high = np.asarray(image).astype(np.uint16) << 8
    peak = int(high[..., :3].max())
    if peak >= SURELY_16_BITS:
        return DeepPixels("uint16", peak, None, as_16_bits=image)
    if in_planes or "a" in raw_mode:
        raise BakeoffError(
            f"values up to {peak + 255:,} of 16 bits, in planes or multiplied by alpha; "
            "save it with 8 bits per channel, or as PNG"
        )
    order = {"N": NATIVE}.get(raw_mode[-1], raw_mode[-1])
    other = raw_mode[:-1] + ("B" if order == "L" else "L")
    # Read as if the other byte came first, the low one is what Pillow keeps.
    values = high | np.asarray(read_again(file, other))
    return DeepPixels("uint16", int(values[..., :3].max()), values, as_16_bits=image)
