"""Decoding: what determines the pixels of an image besides its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bakeoff.data.decoding.depth import described, known_white
from bakeoff.data.decoding.fit import Fit
from bakeoff.errors import BakeoffError


@dataclass(frozen=True)
class Decoding:
    """How the files of a data set become pixels. Kept with the models trained on it.

    Attributes
    ----------
    fit
        What happens to images that are not square: see `bakeoff.data.decoding.fit`.
    bits
        If set, of all images stored as integers of more than 8 bits, the number of bits that are used.
    white
        Otherwise, by the way in which images are stored (see `bakeoff.data.decoding.depth`), the value that
        is white.
    grey
        Whether images have one channel instead of three.
    """

    fit: Fit = "stretch"
    bits: int | None = None
    white: tuple[tuple[str, float], ...] = ()
    grey: bool = False

    @property
    def num_channels(self) -> int:
        return 1 if self.grey else 3

    def known_white(self, storage: str, peak: float) -> float | None:
        """The value that is white in an image with this largest value; None if that is not known."""
        if self.bits is not None and storage != "float32":
            return (1 << self.bits) - 1
        return dict(self.white).get(storage, known_white(storage, peak))

    def white_of(self, storage: str, peak: float) -> float:
        """The value that is white in an image with this largest value.

        Raises
        ------
        BakeoffError
            If that is not known.
        """
        white = self.known_white(storage, peak)
        if white is None:
            raise BakeoffError(
                f"{described(storage)} up to {peak:,g}: one image does not tell which value is white, and "
                "there was none stored in this way in the data set; save it with 8 bits per channel"
            )
        return white

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, for JSON."""
        settings = {"fit": self.fit, "bits": self.bits, "white": dict(self.white), "grey": self.grey}
        return {name: value for name, value in settings.items() if value and value != "stretch"}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Decoding:
        """Read what `to_dict` gave."""
        white = tuple(settings.get("white", {}).items())
        return cls(settings.get("fit", "stretch"), settings.get("bits"), white, settings.get("grey", False))
