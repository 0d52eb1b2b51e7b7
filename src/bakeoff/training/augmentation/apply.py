"""Augmentation: random changes to a batch of training images, seeded and without work in Python an image.

What moves or recolours pixels (a user's own, crop, flip, colour jitter) works on uint8, before the images are
standardised; what interpolates or replaces them (zoom, erasing, mixup, CutMix) works on the standardised
tensor, where the mean colour is 0. Each kind draws from a stream of its own, so that switching one on leaves
the others as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff.errors import BakeoffError
from bakeoff.own_code import import_class
from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.training.augmentation.draws import (
    Blending,
    blending,
    crop_corners,
    cutmix_blending,
    erased_boxes,
    flips,
    jitter_directions,
    mixup_blending,
    zooms,
)
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.repeatable import Stream, generator

Images = NDArray[np.uint8]

STREAMS = (
    Stream.CUSTOM,
    Stream.CROP,
    Stream.FLIP,
    Stream.JITTER,
    Stream.ZOOM,
    Stream.ERASING,
    Stream.BLEND,
)

GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Luma of red, green and blue, ITU-R BT.601, as Pillow takes it."""


@dataclass(frozen=True)
class Blend:
    """Images of a batch blended with others of it: `share` of each is its own.

    Attributes
    ----------
    share
        In 0.5..1 for mixup, 0..1 for CutMix.
    partners_N
        int64, the place in the batch of the image that the rest is taken from.
    """

    share: float
    partners_N: Tensor


class Augmentation:
    """What a recipe does to its training images.

    Parameters
    ----------
    settings
        Of the recipe.
    preprocessing
        Of the run; its mean fills what padding leaves open.
    seed
        Of the run.

    Raises
    ------
    BakeoffError
        If the import path of the user's own leads nowhere, or the class cannot be called.
    """

    def __init__(self, settings: AugmentationSettings, preprocessing: Preprocessing, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self.fill = np.round(255 * np.array(preprocessing.mean)).astype(np.uint8)
        self.custom = _build_custom(settings.custom) if settings.custom else None
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Begin the epoch's own random numbers; epochs are counted from 1."""
        self._generators = {stream: generator(self.seed, stream, epoch) for stream in STREAMS}

    def pixels(self, images_NHWC: Images) -> Images:
        """Change a batch of images; the one given is left as it is."""
        settings, draw = self.settings, self._generators
        if self.custom is not None:
            images_NHWC = self.own(images_NHWC)
        if settings.random_crop_padding:
            images_NHWC = random_crop(images_NHWC, settings.random_crop_padding, self.fill, draw[Stream.CROP])
        if settings.horizontal_flip:
            images_NHWC = random_flip(images_NHWC, draw[Stream.FLIP])
        jitter = (settings.jitter_brightness, settings.jitter_contrast, settings.jitter_saturation)
        if any(jitter):
            images_NHWC = color_jitter(images_NHWC, *jitter, draw[Stream.JITTER])
        return images_NHWC

    def own(self, images_NHWC: Images) -> Images:
        """What the user's own augmentation makes of a batch."""
        assert self.custom is not None
        changed = self.custom(images_NHWC.copy(), self._generators[Stream.CUSTOM])
        return _checked(changed, images_NHWC, self.settings)

    def tensors(self, images_NCHW: Tensor) -> tuple[Tensor, Blend | None]:
        """Zoom, erase and blend a batch of standardised images, in place where it can be."""
        settings, draw = self.settings, self._generators
        if settings.random_zoom:
            images_NCHW = random_zoom(images_NCHW, settings.random_zoom, draw[Stream.ZOOM])
        if settings.random_erasing:
            random_erasing_(images_NCHW, settings.random_erasing, draw[Stream.ERASING])
        number, _, height, width = images_NCHW.shape
        blend = blending(settings, number, height, width, draw[Stream.BLEND])
        return blended(images_NCHW, blend) if blend else (images_NCHW, None)


def random_crop(
    images_NHWC: Images, padding: int, fill: NDArray[np.uint8], draw: np.random.Generator
) -> Images:
    """Cut the image's own size out of each image, after padding it on all sides with pixels of `fill`."""
    number, height, width, channels = images_NHWC.shape
    offsets = 2 * padding + 1
    padded = np.empty((number, height + 2 * padding, width + 2 * padding, channels), np.uint8)
    # By whole rows: `padded[:] = fill`, three bytes at a time, takes 25 times as long.
    wide = width + 2 * padding
    padded.reshape(number, height + 2 * padding, wide * channels)[:] = np.tile(fill, wide)
    padded[:, padding : padding + height, padding : padding + width] = images_NHWC
    top, left = crop_corners(number, padding, draw)
    # Every window as a view, its rows as runs of bytes: one indexing copies the chosen ones row by row.
    image, row, pixel, byte = padded.strides
    windows = np.lib.stride_tricks.as_strided(
        padded, (number, offsets, offsets, height, width * channels), (image, row, pixel, row, byte)
    )
    result: Images = windows[np.arange(number), top, left].reshape(images_NHWC.shape)
    return result


def random_flip(images_NHWC: Images, draw: np.random.Generator) -> Images:
    """Each image, or with probability 1/2 its mirror image (left and right exchanged)."""
    flipped = np.flatnonzero(flips(len(images_NHWC), draw))
    result = images_NHWC.copy()
    # By PyTorch: NumPy's [:, :, ::-1] takes five times as long.
    given = torch.from_numpy(images_NHWC[flipped]).permute(0, 3, 1, 2)
    result[flipped] = given.flip(3).permute(0, 2, 3, 1).numpy()
    return result


def color_jitter(
    images_NHWC: Images, brightness: float, contrast: float, saturation: float, draw: np.random.Generator
) -> Images:
    """Brightness, contrast, saturation, in this order, each by a factor of its own for each image.

    A factor is uniform in 1 - j..1 + j. Contrast blends with the mean grey of the image, saturation each
    pixel with its grey; values are cut to 0..255 after each.
    """
    factors = jitter_directions(len(images_NHWC), draw)[:, :, None, None, None]
    pixels = images_NHWC.astype(np.float32)
    if brightness:
        pixels = np.clip(pixels * (1 + brightness * factors[0]), 0, 255)
    if contrast:
        grey = (pixels @ GREY).mean(axis=(1, 2))[:, None, None, None]
        pixels = np.clip(grey + (pixels - grey) * (1 + contrast * factors[1]), 0, 255)
    if saturation:
        grey = (pixels @ GREY)[..., None]
        pixels = np.clip(grey + (pixels - grey) * (1 + saturation * factors[2]), 0, 255)
    return np.rint(pixels).astype(np.uint8)


def random_zoom(images_NCHW: Tensor, zoom: float, draw: np.random.Generator) -> Tensor:
    """Scale each image about its middle, by bilinear interpolation; beyond the border it is mirrored.

    It shows 1 - zoom..1 + zoom of the image's width and height, with a ratio of the two within
    1 - zoom / 2..1 + zoom / 2.
    """
    maps = torch.from_numpy(zooms(len(images_NCHW), zoom, draw))
    return zoomed(images_NCHW, maps)


def zoomed(images_NCHW: Tensor, maps_N23: Tensor) -> Tensor:
    """The images through affine maps of places in the result to places in the image."""
    maps = maps_N23.to(images_NCHW.dtype)
    grid = nn.functional.affine_grid(maps, list(images_NCHW.shape), align_corners=False)
    return nn.functional.grid_sample(
        images_NCHW, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def random_erasing_(images_NCHW: Tensor, probability: float, draw: np.random.Generator) -> None:
    """Set a rectangle of some images to 0, in place: area and ratio of width to height are drawn.

    After Zhong, Zheng, Kang, Li, Yang: Random erasing data augmentation, AAAI 2020.
    """
    number, _, height, width = images_NCHW.shape
    top, left, bottom, right = erased_boxes(number, probability, height, width, draw)
    rows, columns = np.arange(height), np.arange(width)
    in_rows = (rows >= top[:, None]) & (rows < bottom[:, None])
    in_columns = (columns >= left[:, None]) & (columns < right[:, None])
    mask = in_rows[:, :, None] & in_columns[:, None, :]
    images_NCHW.masked_fill_(torch.from_numpy(mask)[:, None], 0.0)


def mixup(images_NCHW: Tensor, alpha: float, draw: np.random.Generator) -> tuple[Tensor, Blend]:
    """Blend each image with another, by one share a batch from Beta(alpha, alpha), folded to 0.5..1.

    After Zhang, Cisse, Dauphin, Lopez-Paz: mixup: beyond empirical risk minimization, ICLR 2018.
    """
    return blended(images_NCHW, mixup_blending(len(images_NCHW), alpha, draw))


def cutmix(images_NCHW: Tensor, draw: np.random.Generator) -> tuple[Tensor, Blend]:
    """Replace one rectangle, the same for the whole batch, by that of another image.

    After Yun, Han, Oh, Chun, Choe, Yoo: CutMix, ICCV 2019; the area is uniform before the cut at the border.
    """
    number, _, height, width = images_NCHW.shape
    return blended(images_NCHW, cutmix_blending(number, height, width, draw))


def blended(images_NCHW: Tensor, blending: Blending) -> tuple[Tensor, Blend]:
    """The images blended as was drawn."""
    partners = torch.from_numpy(blending.partners_N)
    blend = Blend(blending.share, partners)
    if blending.box is None:
        return torch.lerp(images_NCHW[partners], images_NCHW, blending.share), blend
    top, left, bottom, right = blending.box
    mixed = images_NCHW.clone()
    mixed[:, :, top:bottom, left:right] = images_NCHW[partners, :, top:bottom, left:right]
    return mixed, blend


def check_augmentation(settings: AugmentationSettings, images_NHWC: Images) -> None:
    """Try a user's own augmentation on some images.

    Raises
    ------
    BakeoffError
        If the import path leads nowhere, or the class cannot be built or called, or gives anything but
        images like those given.
    """
    if settings.custom:
        try:
            found = _build_custom(settings.custom)(np.array(images_NHWC), generator(0, Stream.CUSTOM))
        except BakeoffError:
            raise
        except Exception as error:  # whatever a user's class raises
            raise BakeoffError(
                f"augmentation {settings.custom!r} failed on {len(images_NHWC)} images: {error}"
            ) from error
        _checked(found, images_NHWC, settings)


def _build_custom(path: str) -> Callable[[Images, np.random.Generator], Images]:
    try:
        custom = import_class(path, "augmentation")()
    except BakeoffError:
        raise
    except Exception as error:  # whatever a user's class raises
        raise BakeoffError(f"augmentation {path!r} cannot be built: {error}") from error
    if not callable(custom):
        raise BakeoffError(
            f"augmentation {path!r} gave a {type(custom).__name__} that cannot be called; "
            "expected __call__(self, images, generator)"
        )
    return custom  # type: ignore[no-any-return]


def _checked(found: object, given: Images, settings: AugmentationSettings) -> Images:
    if not isinstance(found, np.ndarray) or found.shape != given.shape or found.dtype != np.uint8:
        kind = f"{found.dtype} {list(found.shape)}" if isinstance(found, np.ndarray) else type(found).__name__
        raise BakeoffError(
            f"augmentation {settings.custom!r} gave {kind}; expected uint8 {list(given.shape)}, as was given"
        )
    return found
