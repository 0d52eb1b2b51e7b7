"""Augmentation: random changes to a batch of training images, seeded and vectorized over the batch.

Custom augmentation, crop, flip and color jitter work on uint8 images before standardization; zoom, erasing,
mixup and CutMix work on the standardized tensor, where the mean color is 0. Each has its own random stream,
so that enabling one does not change the others.
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
from bakeoff.text import counted
from bakeoff.training.augmentation.draws import (
    Blending,
    blending,
    crop_corners,
    erased_boxes,
    flips,
    jitter_directions,
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

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in gray, ITU-R BT.601, as in Pillow."""


def luma_weights(num_channels: int) -> NDArray[np.float32]:
    """float32 [num_channels]: the weights of the channels in gray."""
    return LUMA_WEIGHTS if num_channels == len(LUMA_WEIGHTS) else np.ones(1, np.float32)


@dataclass(frozen=True)
class Blend:
    """How the images of a batch were blended with others in the batch.

    Attributes
    ----------
    share
        Weight of the image itself: 0.5..1 for mixup, 0..1 for CutMix.
    partners_N
        int64, the index in the batch of the image that has the rest of the weight.
    """

    share: float
    partners_N: Tensor


class Augmentation:
    """The augmentation of a recipe's training images.

    Parameters
    ----------
    settings
        Of the recipe.
    preprocessing
        Of the run; its mean is the color of padding.
    seed
        Of the run.

    Raises
    ------
    BakeoffError
        If a custom augmentation cannot be imported, or its class cannot be called.
    """

    def __init__(self, settings: AugmentationSettings, preprocessing: Preprocessing, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self.fill = np.round(255 * np.array(preprocessing.mean)).astype(np.uint8)
        self.custom = _build_custom(settings.custom) if settings.custom else None
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Start the random numbers of an epoch; epochs are counted from 1."""
        self._generators = {stream: generator(self.seed, stream, epoch) for stream in STREAMS}

    def pixels(self, images_NHWC: Images) -> Images:
        """Augment a batch of uint8 images; the input is not modified."""
        settings, draw = self.settings, self._generators
        if self.custom is not None:
            images_NHWC = self.apply_custom(images_NHWC)
        if settings.random_crop_padding:
            images_NHWC = random_crop(images_NHWC, settings.random_crop_padding, self.fill, draw[Stream.CROP])
        if settings.horizontal_flip:
            images_NHWC = random_flip(images_NHWC, draw[Stream.FLIP])
        jitter = (settings.jitter_brightness, settings.jitter_contrast, settings.jitter_saturation)
        if any(jitter):
            images_NHWC = color_jitter(images_NHWC, *jitter, draw[Stream.JITTER])
        return images_NHWC

    def apply_custom(self, images_NHWC: Images) -> Images:
        """Apply the custom augmentation to a batch."""
        assert self.custom is not None
        augmented = self.custom(images_NHWC.copy(), self._generators[Stream.CUSTOM])
        return _checked(augmented, images_NHWC, self.settings)

    def tensors(self, images_NCHW: Tensor) -> tuple[Tensor, Blend | None]:
        """Zoom, erase and blend a batch of standardized images, in place where possible."""
        settings, draw = self.settings, self._generators
        if settings.random_zoom:
            images_NCHW = random_zoom(images_NCHW, settings.random_zoom, draw[Stream.ZOOM])
        if settings.random_erasing:
            random_erasing_(images_NCHW, settings.random_erasing, draw[Stream.ERASING])
        if not (settings.mixup or settings.cutmix):
            return images_NCHW, None
        number, _, height, width = images_NCHW.shape
        blend = blending(settings, number, height, width, draw[Stream.BLEND])
        return blended(images_NCHW, blend) if blend else (images_NCHW, None)


def random_crop(
    images_NHWC: Images, padding: int, fill: NDArray[np.uint8], draw: np.random.Generator
) -> Images:
    """Pad each image on all sides with the color `fill`, and crop it to its size at a random position."""
    number, height, width, channels = images_NHWC.shape
    num_offsets = 2 * padding + 1
    padded = np.empty((number, height + 2 * padding, width + 2 * padding, channels), np.uint8)
    # By whole rows: `padded[:] = fill`, three bytes at a time, takes 25 times as long.
    padded_width = width + 2 * padding
    padded.reshape(number, height + 2 * padding, padded_width * channels)[:] = np.tile(fill, padded_width)
    padded[:, padding : padding + height, padding : padding + width] = images_NHWC
    top, left = crop_corners(number, padding, draw)
    # All crops as a view with rows of bytes: one indexing operation copies the drawn ones row by row.
    image, row, pixel, byte = padded.strides
    windows = np.lib.stride_tricks.as_strided(
        padded, (number, num_offsets, num_offsets, height, width * channels), (image, row, pixel, row, byte)
    )
    result: Images = windows[np.arange(number), top, left].reshape(images_NHWC.shape)
    return result


def random_flip(images_NHWC: Images, draw: np.random.Generator) -> Images:
    """Flip each image horizontally with probability 1/2."""
    flipped = np.flatnonzero(flips(len(images_NHWC), draw))
    result = images_NHWC.copy()
    # By PyTorch: NumPy's [:, :, ::-1] takes five times as long.
    images_NCHW = torch.from_numpy(images_NHWC[flipped]).permute(0, 3, 1, 2)
    result[flipped] = images_NCHW.flip(3).permute(0, 2, 3, 1).numpy()
    return result


def color_jitter(
    images_NHWC: Images, brightness: float, contrast: float, saturation: float, draw: np.random.Generator
) -> Images:
    """Change brightness, contrast and saturation, in this order, each by a random factor per image.

    A factor is uniform in 1 - j..1 + j. Contrast blends with the mean gray of the image, saturation blends
    each pixel with its gray; values are clipped to 0..255 after each.
    """
    factors = jitter_directions(len(images_NHWC), draw)[:, :, None, None, None]
    pixels, weights = images_NHWC.astype(np.float32), luma_weights(images_NHWC.shape[-1])
    if brightness:
        pixels = np.clip(pixels * (1 + brightness * factors[0]), 0, 255)
    if contrast:
        gray = (pixels @ weights).mean(axis=(1, 2))[:, None, None, None]
        pixels = np.clip(gray + (pixels - gray) * (1 + contrast * factors[1]), 0, 255)
    if saturation:
        gray = (pixels @ weights)[..., None]
        pixels = np.clip(gray + (pixels - gray) * (1 + saturation * factors[2]), 0, 255)
    return np.rint(pixels).astype(np.uint8)


def random_zoom(images_NCHW: Tensor, zoom: float, draw: np.random.Generator) -> Tensor:
    """Scale each image about its center, by bilinear interpolation with reflection padding.

    The result shows 1 - zoom..1 + zoom of the image's width and height, with a ratio of the two within
    1 - zoom / 2..1 + zoom / 2.
    """
    maps = torch.from_numpy(zooms(len(images_NCHW), zoom, draw))
    return zoomed(images_NCHW, maps)


def zoomed(images_NCHW: Tensor, maps_N23: Tensor) -> Tensor:
    """Resample the images by affine maps from positions in the result to positions in the image."""
    maps = maps_N23.to(images_NCHW.dtype)
    grid = nn.functional.affine_grid(maps, list(images_NCHW.shape), align_corners=False)
    return nn.functional.grid_sample(
        images_NCHW, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def random_erasing_(images_NCHW: Tensor, probability: float, draw: np.random.Generator) -> None:
    """Set a rectangle of random area and aspect ratio in some images to 0, in place.

    After Zhong, Zheng, Kang, Li, Yang: Random erasing data augmentation, AAAI 2020.
    """
    number, _, height, width = images_NCHW.shape
    top, left, bottom, right = erased_boxes(number, probability, height, width, draw)
    rows, columns = np.arange(height), np.arange(width)
    in_rows = (rows >= top[:, None]) & (rows < bottom[:, None])
    in_columns = (columns >= left[:, None]) & (columns < right[:, None])
    mask = in_rows[:, :, None] & in_columns[:, None, :]
    images_NCHW.masked_fill_(torch.from_numpy(mask)[:, None], 0.0)


def blended(images_NCHW: Tensor, blending: Blending) -> tuple[Tensor, Blend]:
    """Blend the images as drawn."""
    partners = torch.from_numpy(blending.partners_N)
    blend = Blend(blending.share, partners)
    if blending.box is None:
        return torch.lerp(images_NCHW[partners], images_NCHW, blending.share), blend
    top, left, bottom, right = blending.box
    mixed = images_NCHW.clone()
    mixed[:, :, top:bottom, left:right] = images_NCHW[partners, :, top:bottom, left:right]
    return mixed, blend


def check_augmentation(settings: AugmentationSettings, images_NHWC: Images) -> None:
    """Try a custom augmentation on some images.

    Raises
    ------
    BakeoffError
        If its class cannot be imported, built or called, or returns anything but images of the same shape and
        type.
    """
    if settings.custom:
        try:
            augmented = _build_custom(settings.custom)(np.array(images_NHWC), generator(0, Stream.CUSTOM))
        except BakeoffError:
            raise
        except Exception as error:  # whatever a user's class raises
            raise BakeoffError(
                f"augmentation {settings.custom!r} failed on {counted(len(images_NHWC), 'image')}: {error}"
            ) from error
        _checked(augmented, images_NHWC, settings)


def _build_custom(path: str) -> Callable[[Images, np.random.Generator], Images]:
    try:
        custom = import_class(path, "augmentation")()
    except BakeoffError:
        raise
    except Exception as error:  # whatever a user's class raises
        raise BakeoffError(f"augmentation {path!r} cannot be built: {error}") from error
    if not callable(custom):
        raise BakeoffError(
            f"augmentation {path!r} is a {type(custom).__name__}, which cannot be called; "
            "expected __call__(self, images, generator)"
        )
    return custom  # type: ignore[no-any-return]


def _checked(augmented: object, images: Images, settings: AugmentationSettings) -> Images:
    if isinstance(augmented, np.ndarray):
        if augmented.shape == images.shape and augmented.dtype == np.uint8:
            return augmented
        result = f"{augmented.dtype} {list(augmented.shape)}"
    else:
        result = type(augmented).__name__
    raise BakeoffError(
        f"augmentation {settings.custom!r} returned {result}; "
        f"expected uint8 {list(images.shape)}, as it was given"
    )
