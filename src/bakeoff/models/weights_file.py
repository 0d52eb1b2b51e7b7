"""Files of pretrained weights: read without pickle, with the preprocessing that they state."""

from __future__ import annotations

import atexit
import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from bakeoff.errors import BakeoffError
from bakeoff.text import shorten

SUFFIXES = (".safetensors", ".pt", ".pth")

PREFIX = "model."
"""Of the weights of a pretrained model in the `best.safetensors` of its runs."""

Channels = tuple[float, ...]


@dataclass(frozen=True)
class Stated:
    """The preprocessing that weights were trained with, as far as it is stated.

    Attributes
    ----------
    mean, std
        Per channel (red, green, blue, or gray), in 0..1.
    image_size
        Height and width in pixels.
    """

    mean: Channels | None = None
    std: Channels | None = None
    image_size: int | None = None

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Stated:
        """From a table with the keys `mean`, `std`, and `image_size` or `input_size` ([3, height, width]).

        Raises
        ------
        ValueError
            If one of them is not as it should be.
        """
        size = table.get("image_size")
        if size is None and table.get("input_size") is not None:
            _, size, width = table["input_size"]
            if size != width:
                raise ValueError(f"images of {size} x {width} pixels are not square")
        if size is not None and not (isinstance(size, int) and 1 <= size <= 2048):
            raise ValueError(f"the size of images is {shorten(size)}; expected 1 to 2048")
        mean, std = table.get("mean"), table.get("std")
        if (mean is None) != (std is None):
            raise ValueError("of mean and std there is only one")
        if mean is None or std is None:
            return cls(image_size=size)
        return cls(_channels("mean", mean), _channels("std", std, above=0.0), size)

    def or_else(self, other: Stated) -> Stated:
        """With what the other states where this states nothing."""
        mean, std = (self.mean, self.std) if self.mean else (other.mean, other.std)
        return Stated(mean, std, self.image_size or other.image_size)


def _channels(name: str, values: Any, above: float = -math.inf) -> Channels:
    try:
        channels = tuple(map(float, values))
    except (TypeError, ValueError):
        channels = ()
    if len(channels) not in (1, 3):
        raise ValueError(f"{name} is {shorten(values)}; expected three numbers, or one for gray images")
    if not all(math.isfinite(value) and value > above for value in channels):
        limit = "" if above == -math.inf else f" above {above:g}"
        raise ValueError(f"{name} is {shorten(values)}; expected finite numbers{limit}")
    return channels


@dataclass(frozen=True)
class WeightsFile:
    """The content of a file of weights.

    Attributes
    ----------
    tensors
        By their names in the model's state dict.
    stated
        Their preprocessing.
    """

    tensors: dict[str, Tensor]
    stated: Stated = field(default_factory=Stated)


_elsewhere: dict[str, Path] = {}
"""Where a file lies that was sent from another machine, by its path there."""


def weights_digest(name: str) -> str:
    """SHA-256 of a file of weights.

    Raises
    ------
    BakeoffError
        If it cannot be read.
    """
    try:
        with _place_of(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(name, error) from error


def collect_weights(names: Iterable[str]) -> dict[str, bytes]:
    """The content of files of weights by name, for `make_readable` on another machine."""
    try:
        return {name: _place_of(name).read_bytes() for name in names}
    except OSError as error:
        raise BakeoffError(f"cannot read weights: {error}") from error


def make_readable(files: Mapping[str, bytes]) -> None:
    """Write the files to a temporary folder of this process, from which they are read from now on."""
    if not files:
        return
    folder = Path(tempfile.mkdtemp(prefix="bakeoff-weights-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for number, (name, content) in enumerate(files.items()):
        _elsewhere[name] = folder / f"{number}{Path(name).suffix}"
        _elsewhere[name].write_bytes(content)


def read_weights_file(name: str) -> WeightsFile:
    """Read a file of weights; nothing is unpickled but tensors and plain values.

    Raises
    ------
    BakeoffError
        If there is no such file, or it is damaged or of another kind.
    """
    from safetensors import SafetensorError

    path = _place_of(name)
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except OSError as error:
        raise _unreadable(name, error) from error
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BakeoffError(
            f"weights {shorten(name)}: not a complete {path.suffix} file of tensors ({reason[:200]}); "
            "copy it again, or save a state dict"
        ) from error
    if not content.tensors:
        raise BakeoffError(f"weights {shorten(name)}: the file has no tensors; expected a state dict")
    return content


def _place_of(name: str) -> Path:
    path = _elsewhere.get(name, Path(name).expanduser())
    if path.suffix not in SUFFIXES:
        raise BakeoffError(f"weights {shorten(name)}: expected a file that ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise BakeoffError(
            f"weights {shorten(name)}: {what}; expected a file, by its full path or relative to the current "
            f"folder, {Path.cwd()} (Bakeoff downloads no weights)"
        )
    return path


def _read_safetensors(path: Path) -> WeightsFile:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    if "bakeoff" not in metadata:
        keys = ("mean", "std", "image_size", "input_size")
        stated = {key: json.loads(metadata[key]) for key in keys if key in metadata}
        return WeightsFile(tensors, Stated.of(stated))
    table = json.loads(metadata["bakeoff"])["preprocessing"]
    if "size" in tensors and all(name == "size" or name.startswith(PREFIX) for name in tensors):
        table["image_size"] = int(tensors.pop("size"))  # of a pretrained model, which has a size of its own
        tensors = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    return WeightsFile(tensors, Stated.of(table))


def _read_torch(path: Path) -> WeightsFile:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch.load raises many exceptions on damaged files
        raise ValueError(str(error)) from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"it holds {type(content).__name__}, not a dict of tensors")
    return WeightsFile(dict(content))


def _unreadable(name: str, error: OSError) -> BakeoffError:
    return BakeoffError(f"weights {shorten(name)}: cannot be read ({error.strerror or error})")
