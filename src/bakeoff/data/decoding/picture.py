"""Picture: what the reader of a file format makes of a file, and its conversion to RGB."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

from bakeoff.data.decoding.depth import DeepPixels
from bakeoff.data.decoding.parameters import Decoding
from bakeoff.errors import BakeoffError

Remark = Literal["zero-alpha", "cmyk", "frames"]
"""What was done with a file that not every viewer would do."""


@dataclass(frozen=True)
class Picture:
    """The first frame of a file, at its own size.

    Attributes
    ----------
    pixels
        An image of at most 8 bits per channel, of any mode, whose channels are those that the file states; or
        pixels of more bits, whose white the file does not state.
    upright
        What sets it upright.
    remarks
        What was done with it; `to_rgb` adds to them.
    """

    pixels: Image.Image | DeepPixels
    upright: Image.Transpose | None = None
    remarks: set[Remark] = field(default_factory=set)

    def to_rgb(self, decoding: Decoding) -> Image.Image:
        """Convert to 8-bit RGB, upright, with white behind what is transparent.

        An alpha channel that is 0 everywhere is ignored if that shows a picture: programs that do not use the
        channel leave it so.

        Raises
        ------
        BakeoffError
            If it is not known what the pixels mean.
        """
        image = self.pixels
        if isinstance(image, DeepPixels):
            image = image.scaled(decoding.white_of(image.storage, image.peak))
        rgb = self._opaque(image)
        return rgb if self.upright is None else rgb.transpose(self.upright)

    def _opaque(self, image: Image.Image) -> Image.Image:
        if image.mode in ("LAB", "HSV", "I", "F"):
            raise BakeoffError(f"colors of mode {image.mode}; save it as RGB")
        if image.mode == "CMYK":
            self.remarks.add("cmyk")
        if not image.has_transparency_data:
            return image.convert("RGB")
        foreground = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        if foreground.getchannel("A").getextrema() == (0, 0):
            colors = foreground.convert("RGB")
            if len(colors.getcolors(2) or "several") > 1:
                self.remarks.add("zero-alpha")
                return colors
        background = Image.new("RGBA", foreground.size, "white")
        return Image.alpha_composite(background, foreground).convert("RGB")


def refuse_bomb(width: int, height: int) -> None:
    """Raise a BakeoffError for more pixels than Pillow's limit, above which it only warns."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise BakeoffError(
            f"{width} x {height} pixels exceed the limit of {limit} "
            "(a decompression bomb?); make the image smaller"
        )
