"""PNG: transparent values and bits per channel as stated; ancillary chunks that Pillow refuses."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile

from bakeoff.data.decoding.depth import SURELY_16_BITS, DeepPixels
from bakeoff.data.decoding.source import read_again, read_whole

SIGNATURE = b"\x89PNG\r\n\x1a\n"

GRAY_STEPS = {"L;2": 85, "L;4": 17}
"""For gray of 2 and 4 bits, the factor by which Pillow multiplies pixels but not the transparent value."""

NEEDED_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"sBIT", b"IDAT", b"IEND", b"eXIf")


def read_png(image: ImageFile.ImageFile, file: Path | IO[bytes]) -> Image.Image | DeepPixels:
    """Read the pixels of an opened PNG file."""
    raw_mode = image.tile[0].args
    assert isinstance(raw_mode, str)
    transparent = image.info.get("transparency")
    if raw_mode in GRAY_STEPS and transparent is not None:
        image.info["transparency"] = transparent * GRAY_STEPS[raw_mode]
    image.load()
    if not raw_mode.endswith(";16B"):
        return image
    storage = "uint16"
    if bits := significant_bits(read_whole(file)):
        storage += f"/{bits}"
    as_16_bits = None
    if image.mode == "I;16":
        values = np.asarray(image)[..., None]
    else:
        high = np.asarray(image).astype(np.uint16) << 8
        as_16_bits, peak = image, int(high[..., :3].max())
        if transparent is None and peak >= SURELY_16_BITS:
            return DeepPixels(storage, peak, None, as_16_bits=image)
        if raw_mode == "LA;16B":
            # Pillow repeats gray in red, green and blue; as RGBA, its four bytes are read.
            parts = np.asarray(read_again(file, "RGBA")).astype(np.uint16)
            values = parts[..., ::2] << 8 | parts[..., 1::2]
        else:
            # Read as if the other byte came first, the low one is what Pillow keeps.
            values = high | np.asarray(read_again(file, raw_mode[:-1] + "L"))
    if transparent is not None:
        opaque = (values != np.asarray(transparent)).any(axis=2, keepdims=True)
        values, as_16_bits = np.concatenate([values, opaque * np.uint16(65535)], axis=2), None
    colors = values[..., :1] if values.shape[2] == 2 else values[..., :3]
    return DeepPixels(storage, int(colors.max()), values, as_16_bits=as_16_bits)


def significant_bits(content: bytes) -> int | None:
    """The largest number of significant bits of a color that the chunk sBIT states, if fewer than 16."""
    for kind, data, _ in _chunks(content):
        if kind == b"sBIT":
            colors = data[: 1 if len(data) < 3 else 3]
            return max(colors) if colors and 0 < max(colors) < 16 else None
        if kind == b"IDAT":
            return None
    return None


def without_ancillary_chunks(content: bytes) -> bytes:
    """The file with the chunks that its pixels and their orientation need, and no others.

    Pillow refuses a picture for a long text or color profile, or for damage in one.
    """
    kept = [
        whole
        for kind, data, whole in _chunks(content)
        if kind in NEEDED_CHUNKS or (kind == b"iTXt" and data.startswith(b"XML:com.adobe.xmp\0\0"))
    ]
    return SIGNATURE + b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The kind, the data and the whole of each chunk; ancillary ones whose checksum is wrong are left out."""
    start = len(SIGNATURE)
    while start + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        whole = content[start : start + 12 + length]
        is_ancillary = kind[0] & 0x20
        if not is_ancillary or zlib.crc32(whole[4:-4]).to_bytes(4) == whole[-4:]:
            yield kind, whole[8:-4], whole
        start += 12 + length
