"""Pixels as bytes to standardised floats, by the kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.kernels.library import Library


def standardise(
    library: Library, pixels: NDArray[np.uint8], shift: Tensor, scale: Tensor, result: Tensor
) -> None:
    """`(pixels - shift) * scale`, to the last bit as PyTorch computes it in two operations.

    Parameters
    ----------
    library
        Which kernels.
    pixels
        uint8 [..., places], in C order.
    shift, scale
        float32 [places].
    result
        float32 [..., places], contiguous; is written.
    """
    places = pixels.shape[-1]
    addresses = (pixels.ctypes.data, *(tensor.data_ptr() for tensor in (shift, scale, result)))
    library.functions.bakeoff_standardise(pixels.size // max(places, 1), places, *addresses)
