"""Reading NPZ files that may be damaged, or made to do harm."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 1 << 30
"""Of the arrays read from one file, unpacked: logits of 50,000 images and 1,000 classes take 0.2 GB."""


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """The named arrays of an NPZ file, in this order. Nothing is ever unpickled.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no NPZ file, is damaged, lacks one of the arrays, or would unpack to more than `MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            _refuse_large(file, names)
            file.seek(0)
            # numpy.load leaves a file open that it cannot read, so it is opened here.
            with np.load(file, allow_pickle=False) as arrays:
                found = [arrays[name] for name in names]
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise of many kinds on a damaged file
        raise ValueError(f"{path.name} is damaged: {str(error)[:300] or type(error).__name__}") from error
    for name, array in zip(names, found, strict=True):
        if array.dtype.kind == "U":
            _refuse_bad_text(path, name, array)
    return found


def array_names(path: Path) -> list[str]:
    """The names of the arrays in an NPZ file.

    Raises
    ------
    OSError, ValueError
        As `read_arrays`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(f"{path.name} is damaged: {str(error)[:300] or type(error).__name__}") from error


def _refuse_large(file: IO[bytes], names: Sequence[str]) -> None:
    """Look at the sizes before anything is unpacked; no more than these is read of a member."""
    with zipfile.ZipFile(file) as archive:
        members = [archive.getinfo(f"{name}.npy") for name in names]
        total = sum(member.file_size for member in members)
        if total > MAX_BYTES:
            raise ValueError(f"its arrays take {total:,} bytes unpacked; the limit is {MAX_BYTES:,}")
        for member in members:
            with archive.open(member) as content:
                version = np.lib.format.read_magic(content)
                read = np.lib.format.read_array_header_1_0
                shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(
                    content
                )
            claimed = dtype.itemsize
            for length in shape:
                claimed *= length
            if claimed > member.file_size:
                raise ValueError(
                    f"the array {member.filename.removesuffix('.npy')} says that it has {claimed:,} bytes, "
                    f"but only {member.file_size:,} are there"
                )


def _refuse_bad_text(path: Path, name: str, array: NDArray[Any]) -> None:
    try:
        "".join(array.ravel().tolist()).encode()
    except (ValueError, SystemError) as error:
        raise ValueError(f"{path.name} is damaged: the array {name} holds what is no text") from error
