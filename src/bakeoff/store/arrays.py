"""Reading NPZ files that may be damaged."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """The named arrays of an NPZ file, in this order. Nothing is ever unpickled.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no NPZ file, is damaged, or lacks one of the arrays.
    """
    try:
        # numpy.load leaves a file open that it cannot read, so open it here.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except (KeyError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
