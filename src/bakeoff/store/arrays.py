"""Reading NPZ files that may be damaged or malicious."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.files import open_regular, read_npy_header

MAX_BYTES = 1 << 30
"""Of the arrays read from one file, uncompressed: logits of 50,000 images and 1,000 classes take 0.2 GB."""

_FIRST_SURROGATE = 0xD800
"""Every code point below this is a character."""


def memory_for_results() -> int:
    """Half of this machine's memory, in bytes."""
    if not hasattr(os, "sysconf"):
        return 4 * MAX_BYTES
    return max(2 * MAX_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)


class MemoryBudget:
    """What the arrays of all runs that are read together may take."""

    def __init__(self) -> None:
        self.total = self.left = memory_for_results()

    def take(self, *arrays: NDArray[Any]) -> None:
        """Count arrays.

        Raises
        ------
        ValueError
            If there is no room left for them.
        """
        self.left -= sum(array.nbytes for array in arrays)
        if self.left < 0:
            raise ValueError(
                f"with it, the results take more than {self.total / 2**30:.1f} GiB, half of this machine's "
                "memory; expected fewer or smaller runs"
            )


def read_arrays(
    path: Path, *names: str, missing: Mapping[str, NDArray[Any]] | None = None
) -> list[NDArray[Any]]:
    """Read the named arrays of an NPZ file, in this order. Nothing is ever unpickled.

    Parameters
    ----------
    path
        The file.
    names
        Of the arrays.
    missing
        By name, what stands for an array that the file may lack.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not an NPZ file, is damaged, lacks one of the other arrays, or holds more than `MAX_BYTES`.
    """
    try:
        # Not by numpy.load, which would open the archive a second time.
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            lacking = (missing or {}).keys() - {name.removesuffix(".npy") for name in archive.namelist()}
            stored = {name: archive.getinfo(f"{name}.npy") for name in names if name not in lacking}
            total = sum(member.file_size for member in stored.values())
            if total > MAX_BYTES:
                raise ValueError(f"its arrays take {total:,} bytes uncompressed; the limit is {MAX_BYTES:,}")
            arrays = {name: _read_array(archive, member) for name, member in stored.items()}
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many exceptions on a damaged file
        raise ValueError(f"{path.name} is damaged: {str(error)[:300] or type(error).__name__}") from error
    for name, array in arrays.items():
        if array.dtype.kind == "U":
            _refuse_bad_text(path, name, array)
    return [arrays[name] if name in arrays else (missing or {})[name] for name in names]


def array_names(path: Path) -> list[str]:
    """Read the names of the arrays in an NPZ file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(f"{path.name} is damaged: {str(error)[:300] or type(error).__name__}") from error


def read_groups(path: Path) -> tuple[str, ...] | None:
    """Read the array `groups` of text, as `read_arrays` does; None if the file has none."""
    if "groups" not in array_names(path):
        return None
    (groups,) = read_arrays(path, "groups")
    if groups.dtype.kind != "U" or groups.ndim != 1:
        raise ValueError(f"{path.name}: groups are {groups.dtype} {groups.shape}, not one text per image")
    return tuple(groups.tolist())


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """An array, whose size is checked before there is memory for it."""
    with archive.open(member) as content:
        shape, dtype = read_npy_header(content)
        declared = dtype.itemsize
        for length in shape:
            declared *= length
        if declared > member.file_size:
            raise ValueError(
                f"the array {member.filename.removesuffix('.npy')} declares {declared:,} bytes, "
                f"but holds only {member.file_size:,}"
            )
        content.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    return array


def _refuse_bad_text(path: Path, name: str, array: NDArray[Any]) -> None:
    code_points = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
    if array.dtype.itemsize and array.ravel().view(code_points).max(initial=0) < _FIRST_SURROGATE:
        return  # found in a tenth of the time
    try:
        "".join(array.ravel().tolist()).encode()
    except (ValueError, SystemError) as error:
        raise ValueError(f"{path.name} is damaged: the array {name} holds invalid text") from error
