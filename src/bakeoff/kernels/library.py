"""Which kernels are used: the library for this processor's instruction set, or none and why."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.errors import BakeoffError
from bakeoff.kernels.compile import instruction_sets, library_path, source_digest
from bakeoff.text import shorten

SWITCH = "BAKEOFF_KERNELS"
"""Environment variable: `auto` (default), `off`, or the name of an instruction set."""

HERE = Path(__file__).parent


ADDRESS, NUMBER, REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double


def _all(kind: Any, names: str) -> tuple[tuple[str, Any], ...]:
    """Fields of one type."""
    return tuple((name, kind) for name in names.split())


class Shape(ctypes.Structure):
    """Sizes of one call, as the C++ source declares them."""

    _fields_ = (
        *_all(NUMBER, "images channels height width kernel padding out_channels"),
        *_all(NUMBER, "input_last weight_last output_last gradient_last"),
    )


class Addend(ctypes.Structure):
    """Part of a source, as are the following: see cpp/rows.hpp, which declares them."""

    _fields_ = _all(ADDRESS, "values scale shift")


class Source(ctypes.Structure):
    """What a layer reads."""

    _fields_ = (*_all(Addend, "first second"), ("relu", NUMBER), ("stored", ADDRESS))


class Result(ctypes.Structure):
    """What a layer writes."""

    _fields_ = (
        *_all(ADDRESS, "values bias"),
        *_all(NUMBER, "relu norm"),
        *_all(ADDRESS, "scale shift running_mean running_variance"),
        *_all(REAL, "momentum epsilon"),
        ("constants", ADDRESS),
    )


class ResultGradient(ctypes.Structure):
    """What backward reads of a result, and the parameters' gradients."""

    _fields_ = _all(ADDRESS, "gradient sums weight bias scale shift")


class SourceGradient(ctypes.Structure):
    """What backward writes of a layer's source."""

    _fields_ = (
        ("gradient", ADDRESS),
        ("added", ADDRESS * 2),
        ("last", NUMBER),
        *_all(ADDRESS * 2, "means sums"),
    )


class Layer(ctypes.Structure):
    """A layer of a region."""

    _fields_ = (
        *_all(NUMBER, "images channels height width out_channels out_height out_width"),
        *_all(NUMBER, "kernel_height kernel_width stride padding depthwise weight_last maximum"),
        ("weight", ADDRESS),
        ("source", Source),
        ("result", Result),
        ("result_gradient", ResultGradient),
        ("source_gradient", SourceGradient),
    )

    kept: Any
    """The memory that its addresses lead to."""


KINDS = {
    "a": ADDRESS,  # address
    "f": ctypes.c_int,  # flag
    "n": NUMBER,  # number of
    "r": REAL,  # real number
    "s": ctypes.POINTER(Shape),
    "l": ctypes.POINTER(Layer),
}

SIGNATURES = {
    "standardise": "nnaaaa",
    "draw": "narra",
    "forward": "saaaaa",
    "backward": "saaaaaaa",
    "forward_norm": "saaaaaaarrfaaaa",
    "backward_norm": "saaafaaaaaaaaa",
    "linear_forward": "nnnfaaaa",
    "linear_backward": "nnnaaaaaaa",
    "rows_norm_forward": "nnaaaaarrfaa",
    "rows_norm_backward": "nnaafaaaaa",
    **{f"{layer}_{way}": "l" for layer in ("conv", "pool", "copy") for way in ("forward", "backward")},
    **{f"{layer}_{way}": "laf" for layer in ("enter", "leave") for way in ("forward", "backward")},
}
"""Arguments of the functions, by the letters of `KINDS`."""


class BoundCall:
    """A function with its arguments, to be called as often as one likes; it keeps their memory.

    Raises
    ------
    MemoryError
        When called, if there is no memory for it.
    """

    def __init__(self, function: Any, arguments: Sequence[Shape | Layer | Tensor | float | None]) -> None:
        self._function, self._kept = function, arguments
        self._plain = [value.data_ptr() if isinstance(value, Tensor) else value for value in arguments]

    def __call__(self) -> None:
        if self._function(*self._plain):
            raise MemoryError(f"no memory for the kernel {self._function.__name__}")

    def places(self, tensor: Tensor) -> list[int]:
        """Which of its arguments are this tensor's memory."""
        address = tensor.data_ptr()
        given = enumerate(zip(self._kept, self._plain, strict=True))
        return [place for place, (value, plain) in given if isinstance(value, Tensor) and plain == address]

    def move(self, place: int, address: int) -> None:
        """Take an argument from another address, where whoever says so keeps the memory."""
        self._plain[place] = address


def is_aligned(tensor: Tensor) -> bool:
    """Whether each float32 lies where C++ expects one: `torch.frombuffer` can put it anywhere."""
    return tensor.data_ptr() % 4 == 0


@dataclass(frozen=True)
class Library:
    """The functions of one loaded library.

    Attributes
    ----------
    instruction_set
        What it was built for.
    functions
        By their names, with `bakeoff_` before them.
    lanes
        How many images lie side by side in a region.
    """

    instruction_set: str
    functions: ctypes.CDLL
    lanes: int

    def bind(self, name: str, *arguments: Shape | Layer | Tensor | float | None) -> BoundCall:
        """A call of a function; a tensor or a shape is passed as its address, None as a null pointer."""
        return BoundCall(getattr(self.functions, f"bakeoff_{name}"), arguments)


def load(instruction_set: str, folder: Path = HERE) -> Library | str:
    """The library for an instruction set, or a line that says why there is none."""
    path = library_path(folder, instruction_set)
    if not path.is_file():
        return "not built when bakeoff was installed"
    try:
        functions = ctypes.CDLL(str(path))
        functions.bakeoff_source_digest.restype = ctypes.c_char_p
        built_from = functions.bakeoff_source_digest().decode()
    except (OSError, AttributeError) as error:
        return f"cannot be loaded: {error}"
    if built_from != source_digest():
        return "built from another version of the source; install bakeoff again"
    for name, kinds in SIGNATURES.items():
        getattr(functions, f"bakeoff_{name}").argtypes = [KINDS[kind] for kind in kinds]
    return Library(instruction_set, functions, functions.bakeoff_lanes())


def runnable() -> tuple[str, ...]:
    """Instruction sets with kernels that this processor has, the best first."""
    capability = torch.backends.cpu.get_cpu_capability()  # AVX2 there means FMA too
    lacking = {"AVX512": (), "AVX2": ("avx512",)}.get(capability, ("avx512", "avx2"))
    return tuple(name for name in instruction_sets() if name not in lacking)


_override: ContextVar[Library | str | None] = ContextVar("_override", default=None)


def current() -> Library | str:
    """What this process uses, decided at the first call; a line says why where it is nothing.

    Raises
    ------
    BakeoffError
        If the environment variable names kernels that cannot be had.
    """
    return _override.get() or _choose()


@contextmanager
def using(choice: Library | str) -> Iterator[None]:
    """Within the block, in this thread: these kernels, or none for the reason given."""
    token = _override.set(choice)
    try:
        yield
    finally:
        _override.reset(token)


@cache
def _choose() -> Library | str:
    wanted = os.environ.get(SWITCH, "").strip().lower() or "auto"
    if wanted == "off":
        return f"switched off by {SWITCH}"
    candidates = runnable()
    if wanted != "auto":
        if wanted not in candidates:
            raise BakeoffError(
                f"the environment variable {SWITCH} is {shorten(wanted)}; "
                f"on this processor it can be {', '.join(('auto', 'off', *candidates))}"
            )
        candidates = (wanted,)
    if not candidates:
        return "none for this processor"
    reasons = []
    for name in candidates:
        found = load(name)
        if isinstance(found, Library):
            return found
        reasons.append(f"{name} {found}")
    if wanted != "auto":
        raise BakeoffError(
            f"the environment variable {SWITCH} asks for kernels that are missing: {reasons[0]}"
        )
    return "; ".join(reasons)


def describe_cpu() -> str:
    """What a run on the CPU records as its device: with its kernels, if any, because they round otherwise."""
    found = current()
    return f"cpu, {found.instruction_set} kernels" if isinstance(found, Library) else "cpu"


def describe_kernels() -> str:
    """The instruction set of the kernels that this process uses, or `none: ` and why."""
    found = current()
    return found.instruction_set if isinstance(found, Library) else f"none: {found}"


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
