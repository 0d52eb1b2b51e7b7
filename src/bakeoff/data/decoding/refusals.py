"""reason(): why a file is not decoded, in words that name what it is."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from PIL import UnidentifiedImageError

from bakeoff.data.decoding.source import read_head

HEAD = 1 << 16

KNOWN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%!PS", "PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"GIF8", "a damaged GIF"),
    (0, b"\x89PNG", "a damaged PNG"),
    (0, b"\x00\x00\x01\x00", "an icon (ICO)"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"P7\n", "PAM"),
    (0, b"PF\n", "PFM in color"),
    (0, b"qoif", "QOI"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC or a damaged AVIF"),
    (128, b"DICM", "DICOM"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "compressed with gzip"),
    (0, b"version https://git-lfs", "a Git LFS pointer: the image itself was not downloaded"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML, perhaps SVG"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
)
"""Position, bytes there, and what such a file is."""


def reason(file: Path | IO[bytes], error: Exception) -> str:
    """Say why Pillow could not read a file."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        head = read_head(file, HEAD)
        if not head:
            return "the file is empty"
        kind = _kind(head)
        return f"not an image of a known format{f' ({kind})' if kind else ''}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:300] or type(error).__name__


def _kind(head: bytes) -> str | None:
    if head.startswith(b"\xff\xd8"):
        return _kind_of_jpeg(head)
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return (
            "a TIFF that is damaged, or whose channels are of a kind that is not read; expected 8 or 16 bits"
        )
    return next((name for start, magic, name in KNOWN if head.startswith(magic, start)), None)


def _kind_of_jpeg(head: bytes) -> str:
    """Find the segment that states the bits per channel."""
    start = 2
    while start + 5 <= len(head) and head[start] == 0xFF:
        marker, length = struct.unpack_from(">BH", head, start + 1)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits = head[start + 4]
            return "a damaged JPEG" if bits == 8 else f"a JPEG with {bits} bits per channel"
        start += 2 + length
    return "a damaged JPEG"
