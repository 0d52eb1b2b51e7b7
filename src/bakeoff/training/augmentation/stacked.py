"""Augmentation of many seeds' batches together, on the device, with the random numbers of each seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.training.augmentation.apply import Augmentation, luma_weights, zoomed
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

Draw = Callable[[int, np.random.Generator], NDArray[np.generic]]


@dataclass(frozen=True)
class StackedBlend:
    """How each seed's batch was blended; a seed without a blend has the share 1.

    Attributes
    ----------
    partners_SN
        int64, indices in the seed's batch.
    share_S
        Weight of the image's own label.
    """

    partners_SN: Tensor
    share_S: Tensor


class StackedAugmentation:
    """The augmentation of a recipe's training images for many seeds.

    The random numbers are those of `Augmentation` in `apply.py`, drawn for a whole epoch in advance. Pixels
    are equal too, except that color jitter may differ by 1 of 255 through rounding.

    Parameters
    ----------
    settings
        Of the recipe.
    preprocessing
        Of the runs; its mean is the color of padding.
    seeds
        Of the runs.
    device
        The device of the images.
    """

    def __init__(
        self,
        settings: AugmentationSettings,
        preprocessing: Preprocessing,
        seeds: Sequence[int],
        device: torch.device,
    ) -> None:
        self.settings, self.seeds, self.device = settings, seeds, device
        self.height = self.width = preprocessing.image_size
        self.solos = [Augmentation(settings, preprocessing, seed) for seed in seeds]
        self.fill = torch.from_numpy(self.solos[0].fill).to(device)
        self.gray = torch.from_numpy(luma_weights(len(preprocessing.mean))).to(device)

    def start_epoch(self, epoch: int, batch_sizes: Sequence[int]) -> None:
        """Draw the numbers of all batches of an epoch; epochs are counted from 1."""
        self._epoch, self._sizes = epoch, batch_sizes
        self._ends = np.cumsum(batch_sizes)
        settings, height, width = self.settings, self.height, self.width
        self._drawn: dict[str, Tensor] = {}
        if settings.random_crop_padding:
            padding = settings.random_crop_padding
            self._draw("crop", Stream.CROP, lambda number, draw: crop_corners(number, padding, draw).T)
        if settings.horizontal_flip:
            self._draw("flip", Stream.FLIP, flips)
        if settings.jitter_brightness or settings.jitter_contrast or settings.jitter_saturation:
            self._draw("jitter", Stream.JITTER, lambda number, draw: jitter_directions(number, draw).T)
        if settings.random_zoom:
            zoom = settings.random_zoom
            self._draw("zoom", Stream.ZOOM, lambda number, draw: zooms(number, zoom, draw))
        if settings.random_erasing:
            share = settings.random_erasing
            self._draw(
                "erasing",
                Stream.ERASING,
                lambda number, draw: erased_boxes(number, share, height, width, draw).T,
            )
        if settings.cutmix or settings.mixup:
            self._draw_blends()
        for solo in self.solos if settings.custom else ():
            solo.start_epoch(epoch)

    def _draw(self, name: str, stream: Stream, draw: Draw) -> None:
        """Draw the numbers of each seed for all batches: [num_seeds, num_images, ...], in epoch order."""
        per_seed = []
        for seed in self.seeds:
            numbers = generator(seed, stream, self._epoch)
            per_seed.append(np.concatenate([draw(size, numbers) for size in self._sizes]))
        self._drawn[name] = torch.from_numpy(np.stack(per_seed)).to(self.device)

    def _draw_blends(self) -> None:
        """Draw each seed's blending of each batch; where there is none, one that changes nothing."""
        partners, shares, lerps, boxes = [], [], [], []
        for seed in self.seeds:
            numbers = generator(seed, Stream.BLEND, self._epoch)
            blends = [
                blending(self.settings, size, self.height, self.width, numbers)
                or Blending(np.arange(size), 1.0)
                for size in self._sizes
            ]
            partners.append(np.concatenate([blend.partners_N for blend in blends]))
            shares.append([blend.share for blend in blends])
            lerps.append([blend.share if blend.box is None else 1.0 for blend in blends])
            boxes.append([blend.box or (0, 0, 0, 0) for blend in blends])
        values = {"partners": partners, "share": shares, "lerp": lerps, "box": boxes}
        self._drawn |= {
            name: torch.from_numpy(np.array(value)).to(self.device) for name, value in values.items()
        }

    def custom(self, images_NHWC: NDArray[np.uint8], indices_SN: NDArray[np.int64]) -> Tensor:
        """Apply the custom augmentation to each seed's batch: uint8 [S, N, H, W, C] on the device."""
        batches = [
            solo.apply_custom(images_NHWC[indices])
            for solo, indices in zip(self.solos, indices_SN, strict=True)
        ]
        return torch.from_numpy(np.stack(batches)).to(self.device)

    def pixels(self, images_SNHWC: Tensor, batch: int) -> Tensor:
        """Crop, flip and jitter uint8 images of a batch; batches are counted from 0."""
        drawn = self._of_batch(batch)
        if "crop" in drawn or "flip" in drawn:
            images_SNHWC = self._moved(images_SNHWC, drawn.get("crop"), drawn.get("flip"))
        return self._jittered(images_SNHWC, drawn["jitter"]) if "jitter" in drawn else images_SNHWC

    def tensors(self, images_SNCHW: Tensor, batch: int) -> tuple[Tensor, StackedBlend | None]:
        """Zoom, erase and blend standardized images of a batch; batches are counted from 0."""
        drawn = self._of_batch(batch)
        if "zoom" in drawn:
            images_SNCHW = zoomed(images_SNCHW.flatten(0, 1), drawn["zoom"].flatten(0, 1)).view_as(
                images_SNCHW
            )
        if "erasing" in drawn:
            images_SNCHW = images_SNCHW.masked_fill(self._inside(drawn["erasing"])[:, :, None], 0.0)
        if "partners" not in drawn:
            return images_SNCHW, None
        share, lerp, box = (self._drawn[name][:, batch] for name in ("share", "lerp", "box"))
        rows = torch.arange(len(self.seeds), device=self.device)[:, None]
        others = images_SNCHW[rows, drawn["partners"]]
        lerp = lerp.to(images_SNCHW.dtype)[:, None, None, None, None]
        mixed = torch.lerp(others, images_SNCHW, lerp)
        mixed = torch.where(self._inside(box)[:, None, None], others, mixed)
        return mixed, StackedBlend(drawn["partners"], share)

    def _of_batch(self, batch: int) -> dict[str, Tensor]:
        """The numbers per image of one batch."""
        start, end = self._ends[batch] - self._sizes[batch], self._ends[batch]
        per_batch = ("share", "lerp", "box")
        return {name: value[:, start:end] for name, value in self._drawn.items() if name not in per_batch}

    def _moved(self, images_SNHWC: Tensor, corners: Tensor | None, flipped: Tensor | None) -> Tensor:
        """Crop and flip in one gather of pixels."""
        seeds, number, height, width = images_SNHWC.shape[:4]
        rows = torch.arange(height, device=self.device).expand(seeds, number, height)
        columns = torch.arange(width, device=self.device).expand(seeds, number, width)
        if flipped is not None:
            columns = torch.where(flipped[..., None], width - 1 - columns, columns)
        if corners is not None:
            padding = self.settings.random_crop_padding
            rows, columns = rows + corners[..., :1] - padding, columns + corners[..., 1:] - padding
        flat = images_SNHWC.flatten(0, 1)
        image = torch.arange(len(flat), device=self.device)[:, None, None]
        row = rows.clamp(0, height - 1).flatten(0, 1)[:, :, None]
        column = columns.clamp(0, width - 1).flatten(0, 1)[:, None, :]
        moved = flat[image, row, column].view_as(images_SNHWC)
        if corners is None:
            return moved
        inside_rows = (rows >= 0) & (rows < height)
        inside_columns = (columns >= 0) & (columns < width)
        inside = inside_rows[..., :, None] & inside_columns[..., None, :]
        return torch.where(inside[..., None], moved, self.fill)

    def _jittered(self, images_SNHWC: Tensor, directions_SN3: Tensor) -> Tensor:
        """As `bakeoff.training.augmentation.apply.color_jitter`."""
        settings = self.settings
        brightness, contrast, saturation = directions_SN3[:, :, None, None, None].unbind(-1)
        pixels = images_SNHWC.float()
        if settings.jitter_brightness:
            pixels = (pixels * (1 + settings.jitter_brightness * brightness)).clamp(0, 255)
        if settings.jitter_contrast:
            gray = (pixels @ self.gray).mean((2, 3))[:, :, None, None, None]
            pixels = (gray + (pixels - gray) * (1 + settings.jitter_contrast * contrast)).clamp(0, 255)
        if settings.jitter_saturation:
            gray = (pixels @ self.gray)[..., None]
            pixels = (gray + (pixels - gray) * (1 + settings.jitter_saturation * saturation)).clamp(0, 255)
        return pixels.round().to(torch.uint8)

    def _inside(self, boxes: Tensor) -> Tensor:
        """Which pixels [..., H, W] lie in boxes [..., 4] of top, left, bottom and right."""
        top, left, bottom, right = boxes[..., None].unbind(-2)
        rows = torch.arange(self.height, device=self.device)
        columns = torch.arange(self.width, device=self.device)
        in_rows, in_columns = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
        return in_rows[..., :, None] & in_columns[..., None, :]
