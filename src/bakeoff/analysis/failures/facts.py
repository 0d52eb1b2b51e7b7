"""Properties of images: brightness, sharpness, color of the border and so on.

All are computed from the pixels alone, on a scale of 0..1, and do not explain why a model errs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

Values = NDArray[np.float32]

COLORS = (
    "black", "gray", "white", "brown", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink",
)  # fmt: skip
"""Names of the dominant color, in the order of the indices that `dominant_colors` gives."""

_HUE_EDGES = np.array([15, 45, 70, 165, 190, 260, 300, 345], dtype=np.float32)
"""Upper ends in degrees of red, orange, yellow, green, cyan, blue, purple, pink; red again above the last."""

_CHUNK = 64
"""Images processed at once: 7 MB per float32 copy at 96 x 96."""


@dataclass(frozen=True)
class _Chunk:
    """Some images, converted for the properties. N images, H rows, W columns, C = red, green, blue."""

    rgb_NHWC: Pixels
    luma_NHW: Pixels
    hue_NHW: Pixels
    saturation_NHW: Pixels
    value_NHW: Pixels
    border_HW: NDArray[np.bool_]

    def border_share(self, low_degrees: float, high_degrees: float) -> Values:
        """Share of border pixels in a range of hues, except pale (saturation < 0.15) and dark (< 0.2)."""
        hue = self.hue_NHW[:, self.border_HW]
        colored = (self.saturation_NHW[:, self.border_HW] >= 0.15) & (
            self.value_NHW[:, self.border_HW] >= 0.2
        )
        share: Values = ((hue >= low_degrees) & (hue < high_degrees) & colored).mean(axis=1)
        return share


@dataclass(frozen=True)
class ImageFact:
    """One measured property of an image, and the words for it.

    Attributes
    ----------
    name
        Such as `brightness`; as in summary.json and error_trends.csv.
    meaning
        How it is measured and on what scale, for a caption or a table's header.
    lower, higher
        Comparatives that go before `than`: `darker`, `brighter`.
    lowest, highest
        Superlatives that go before `quarter of the images`: `darkest`, `brightest`.
    compute
        From pixels to one value per image.
    """

    name: str
    meaning: str
    lower: str
    higher: str
    lowest: str
    highest: str
    compute: Callable[[_Chunk], Values]

    @property
    def label(self) -> str:
        """The name as texts write it, in American spelling."""
        return self.name.replace("centre", "center")


def _sharpness(chunk: _Chunk) -> Values:
    luma = chunk.luma_NHW
    neighbors = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    variance: Values = (neighbors - 4 * luma[:, 1:-1, 1:-1]).var(axis=(1, 2))
    return variance


def _edge_density(chunk: _Chunk) -> Values:
    luma = chunk.luma_NHW
    across = (luma[:, 1:-1, 2:] - luma[:, 1:-1, :-2]) / 2
    down = (luma[:, 2:, 1:-1] - luma[:, :-2, 1:-1]) / 2
    density: Values = (np.hypot(across, down) > 0.1).mean(axis=(1, 2))
    return density


def _center_difference(chunk: _Chunk) -> Values:
    center = chunk.rgb_NHWC[:, _center(chunk.border_HW.shape)].mean(axis=1)
    border = chunk.rgb_NHWC[:, chunk.border_HW].mean(axis=1)
    difference: Values = np.abs(center - border).mean(axis=1)
    return difference


FACTS: tuple[ImageFact, ...] = (
    ImageFact(
        "brightness", "mean luma (Rec. 601), 0 black to 1 white",
        "darker", "brighter", "darkest", "brightest",
        lambda chunk: chunk.luma_NHW.mean(axis=(1, 2)),
    ),
    ImageFact(
        "contrast", "standard deviation of the luma over pixels, 0 to 0.5",
        "lower contrast", "higher contrast", "lowest-contrast", "highest-contrast",
        lambda chunk: chunk.luma_NHW.std(axis=(1, 2)),
    ),
    ImageFact(
        "saturation", "mean saturation (HSV) over pixels, 0 gray to 1 pure color",
        "less colorful", "more colorful", "least colorful", "most colorful",
        lambda chunk: chunk.saturation_NHW.mean(axis=(1, 2)),
    ),
    ImageFact(
        "warmth", "mean red minus mean blue, -1 to 1",
        "cooler colors", "warmer colors", "coolest", "warmest",
        lambda chunk: chunk.rgb_NHWC[..., 0].mean(axis=(1, 2)) - chunk.rgb_NHWC[..., 2].mean(axis=(1, 2)),
    ),
    ImageFact(
        "sharpness", "variance over pixels of the Laplacian of the luma",
        "less sharp", "sharper", "least sharp", "sharpest",
        _sharpness,
    ),
    ImageFact(
        "edge density", "share of pixels where the luma changes by more than 0.1 per pixel, 0 to 1",
        "fewer edges", "more edges", "fewest-edges", "most-edges",
        _edge_density,
    ),
    ImageFact(
        "border blueness", "share of border pixels (outer eighth) of hue 165 to 260 degrees, 0 to 1",
        "less blue at the border", "bluer at the border", "least-blue-border", "bluest-border",
        lambda chunk: chunk.border_share(165, 260),
    ),
    ImageFact(
        "border greenness", "share of border pixels (outer eighth) of hue 70 to 165 degrees, 0 to 1",
        "less green at the border", "greener at the border", "least-green-border", "greenest-border",
        lambda chunk: chunk.border_share(70, 165),
    ),
    ImageFact(
        "centre difference", "mean absolute difference of the mean colors of central quarter and border",
        "smaller color difference between center and border",
        "larger color difference between center and border",
        "smallest-center-difference", "largest-center-difference",
        _center_difference,
    ),
)  # fmt: skip
"""The properties that `image_facts` measures."""


def fact_named(name: str) -> ImageFact:
    """Look up a property by its name."""
    return next(fact for fact in FACTS if fact.name == name)


def image_facts(images: NDArray[np.uint8]) -> dict[str, Values]:
    """Measure every property of every image.

    Parameters
    ----------
    images
        uint8 [num_images, height, width, 3], RGB, at least 3 x 3 pixels.

    Returns
    -------
    dict of float32 [num_images]
        By the property's name, in the order of `FACTS`.
    """
    values = {fact.name: np.empty(len(images), dtype=np.float32) for fact in FACTS}
    for start in range(0, len(images), _CHUNK):
        chunk = _prepare(images[start : start + _CHUNK])
        for fact in FACTS:
            values[fact.name][start : start + _CHUNK] = fact.compute(chunk)
    return values


def dominant_colors(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Find the most frequent color of each image.

    A pixel is black below a value (HSV) of 0.2; else white or gray below a saturation of 0.15 (white from a
    value of 0.8); else one of eight hues, orange below a value of 0.65 is brown.

    Parameters
    ----------
    images
        uint8 [num_images, height, width, 3], RGB.

    Returns
    -------
    int [num_images]
        Indices into `COLORS`; the first one in that order in case of a tie.
    """
    dominant = np.empty(len(images), dtype=np.int64)
    for start in range(0, len(images), _CHUNK):
        chunk = _prepare(images[start : start + _CHUNK])
        hue = COLORS.index("red") + np.digitize(chunk.hue_NHW, _HUE_EDGES) % len(_HUE_EDGES)
        brown = (hue == COLORS.index("orange")) & (chunk.value_NHW < 0.65)
        color = np.where(brown, COLORS.index("brown"), hue)
        color[(chunk.saturation_NHW < 0.15) & (chunk.value_NHW < 0.8)] = COLORS.index("gray")
        color[(chunk.saturation_NHW < 0.15) & (chunk.value_NHW >= 0.8)] = COLORS.index("white")
        color[chunk.value_NHW < 0.2] = COLORS.index("black")
        pixels = np.stack([(color == index).sum(axis=(1, 2)) for index in range(len(COLORS))], axis=1)
        dominant[start : start + _CHUNK] = pixels.argmax(axis=1)
    return dominant


def _prepare(images: NDArray[np.uint8]) -> _Chunk:
    rgb = images.astype(np.float32)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    # In 0..255, where differences are whole numbers, so that thresholds are compared with exact ratios.
    # One by one: NumPy's max over so short an axis takes ten times as long.
    value: Pixels = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    zero = np.zeros_like(value)
    saturation = np.divide(chroma, value, out=zero.copy(), where=value > 0)
    safe = np.where(chroma > 0, chroma, np.float32(1))
    from_red = (green - blue) / safe
    from_red = np.where(from_red < 0, from_red + 6, from_red)
    hue = np.where(value == red, from_red, (red - green) / safe + 4)
    hue = np.where((value == green) & (value != red), (blue - red) / safe + 2, hue)
    hue = np.where(chroma > 0, hue * 60, zero)
    rgb, value = rgb / np.float32(255), value / np.float32(255)
    luma = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return _Chunk(rgb, luma, hue, saturation, value, _border((images.shape[1], images.shape[2])))


def _border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """bool [height, width]: the outer eighth of the height and width on each side, one pixel at least."""
    height, width = shape
    thick_y, thick_x = max(1, height // 8), max(1, width // 8)
    border = np.ones(shape, dtype=np.bool_)
    border[thick_y : height - thick_y, thick_x : width - thick_x] = False
    return border


def _center(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """bool [height, width]: the middle half of the height and width."""
    height, width = shape
    center = np.zeros(shape, dtype=np.bool_)
    center[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return center
