"""Pixels of arrays: from the types and layouts in which arrays hold images to uint8 RGB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError

WHOLE_RANGE = 255


class Scale(NamedTuple):
    """How the values of a source become 0..255.

    Attributes
    ----------
    factor
        What they are multiplied with; None if they are uint8.
    notes
        A sentence, if this had to be found out.
    """

    factor: int | None
    notes: tuple[str, ...] = ()


def find_scale(arrays: Sequence[NDArray[Any]]) -> Scale:
    """Find how the values of images, none of them empty, become 0..255: in the same way in all splits.

    Raises
    ------
    BakeoffError
        If their range is neither 0..1 (floats) nor 0..255 (whole numbers), or types are mixed.
    """
    if all(array.dtype == np.uint8 for array in arrays):
        return Scale(None)
    kinds = {"i" if array.dtype.kind == "u" else array.dtype.kind for array in arrays}
    types = " and ".join(sorted({str(array.dtype) for array in arrays}))
    if kinds == {"b"}:
        return Scale(WHOLE_RANGE, ("The images are true and false, which were read as 255 and 0.",))
    if kinds not in ({"i"}, {"f"}):
        raise BakeoffError(f"the images are {types}; expected uint8, or floats in 0..1, in all splits alike")
    low, high = min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)
    if kinds == {"f"} and low >= 0 and high <= 1:
        return Scale(WHOLE_RANGE, ("The images are floats in 0..1, which were multiplied by 255.",))
    # A NaN makes both comparisons false.
    if low >= 0 and high <= WHOLE_RANGE and all(_is_whole(array) for array in arrays):
        return Scale(1)
    raise BakeoffError(
        f"the images are {types} with values from {low:g} to {high:g}; expected uint8, or floats in 0..1; "
        "undo the normalization of the images"
    )


def _is_whole(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "iu" or bool((array == np.floor(array)).all())


def to_uint8(array: NDArray[Any], scale: Scale) -> NDArray[np.uint8]:
    """The values as uint8, rounded; the array itself if it has them."""
    return array if scale.factor is None else np.rint(array * scale.factor).astype(np.uint8)


def channels_last(array: NDArray[Any], num_leading: int) -> NDArray[Any] | None:
    """A view with the axes height, width and 3 channels after the leading ones; None if there is none.

    A gray image has no axis of channels, or one of length 1. Channels may come before height and width, as
    in PyTorch.

    Parameters
    ----------
    array
        Images of one size.
    num_leading
        Number of axes before those of an image: 0 for one image, 1 for a batch.
    """
    size = array.shape[num_leading:]
    if len(size) == 2:
        array = array[..., None]
    elif len(size) == 3 and size[2] not in (1, 3) and size[0] in (1, 3):
        array = np.moveaxis(array, num_leading, -1)
    if array.ndim != num_leading + 3 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        return None
    return np.broadcast_to(array, (*array.shape[:-1], 3))
