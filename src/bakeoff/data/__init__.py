"""Image data: from a source to decoded, split and cached arrays, which every later stage reads."""

from bakeoff.data.cache import (
    CheckedEntry,
    check_cached_images,
    find_image_data,
    keep_in_cache,
    open_image_data,
)
from bakeoff.data.decoding.image_file import decode_image
from bakeoff.data.decoding.parameters import Decoding
from bakeoff.data.description import DataDescription, describe
from bakeoff.data.image_data import ImageData, Split, SplitName
from bakeoff.data.loading import load_data
from bakeoff.data.sources.arrays import ImageArrays
from bakeoff.data.sources.naming import check_source

__all__ = [
    "CheckedEntry",
    "DataDescription",
    "Decoding",
    "ImageArrays",
    "ImageData",
    "Split",
    "SplitName",
    "check_cached_images",
    "check_source",
    "decode_image",
    "describe",
    "find_image_data",
    "keep_in_cache",
    "load_data",
    "open_image_data",
]
