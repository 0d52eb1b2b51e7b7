"""Reading the weights of a finished run, with everything needed to use them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bakeoff.errors import BakeoffError
from bakeoff.files import read_bytes
from bakeoff.store.layout import Layout
from bakeoff.store.verify import check_runs
from bakeoff.study import Recipe
from bakeoff.text import command, shorten

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER_BYTES = 1 << 24

MAX_WEIGHTS_BYTES = 8 << 30
"""Of one file: two thousand million parameters."""

Deviation = Annotated[float, Field(ge=0)]


class StoredDecoding(BaseModel):
    """How the files of a run's images became pixels: see `bakeoff.data.Decoding`."""

    model_config = ConfigDict(allow_inf_nan=False)

    fit: Literal["stretch", "crop", "pad"] = "stretch"
    bits: int | None = Field(None, ge=8, le=16)
    white: dict[str, Annotated[float, Field(gt=0)]] = {}
    grey: bool = False


class StoredPreprocessing(BaseModel):
    """The constants that a run's images were standardized with, and how they were decoded."""

    model_config = ConfigDict(allow_inf_nan=False)

    mean: tuple[float, float, float] | tuple[float]
    std: tuple[Deviation, Deviation, Deviation] | tuple[Deviation]
    image_size: int = Field(ge=1, le=512)
    decoding: StoredDecoding = StoredDecoding()


class WeightsHeader(BaseModel):
    """The metadata in the file of the weights."""

    model_config = ConfigDict(extra="allow")

    recipe: str
    seed: int
    settings: Recipe
    class_names: list[str] = Field(min_length=2)
    preprocessing: StoredPreprocessing
    checkpoint_epoch: int = Field(ge=1)
    identity: str


@dataclass(frozen=True)
class StoredWeights:
    """The weights of a finished run.

    Attributes
    ----------
    header
        Recipe, seed, settings, class names, preprocessing.
    tensors
        The weights by their names in the model's state dict.
    content
        The bytes of the file: safetensors, with the header in its metadata.
    """

    header: WeightsHeader
    tensors: dict[str, Tensor]
    content: bytes


def read_weights(layout: Layout, recipe: str, seed: int) -> StoredWeights:
    """Read the weights of a finished run. Nothing is ever unpickled.

    Raises
    ------
    BakeoffError
        If there is no such run, or the file is damaged or is not as it was written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = layout.weights(recipe, seed)
    check_runs([path.parent], read=[path.name])
    try:
        content = read_bytes(path, MAX_WEIGHTS_BYTES)
        tensors = load(content)
        header = WeightsHeader.model_validate_json(_metadata(content)["bakeoff"])
        if (header.recipe, header.seed) != (recipe, seed):
            raise ValueError(f"it holds {shorten(header.recipe)}, seed {header.seed}")
    except FileNotFoundError as error:
        raise BakeoffError(
            f"{layout.root} has no finished run of {recipe} with seed {seed}; "
            f"`{command('status', layout.root)}` lists its runs"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "its header"
        raise _damaged(layout, recipe, seed, f"{key}: {first['msg']}") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise _damaged(layout, recipe, seed, str(error)[:300] or type(error).__name__) from error
    return StoredWeights(header, tensors, content)


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file: 8 bytes of length, then JSON with the key __metadata__."""
    length = int.from_bytes(content[:8], "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header has {length:,} bytes")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata


def _damaged(layout: Layout, recipe: str, seed: int, reason: str) -> BakeoffError:
    return BakeoffError(
        f"{layout.weights(recipe, seed)} is damaged ({reason}); "
        f"delete {layout.run(recipe, seed)} and run the study again to retrain it"
    )
