"""The [data] table of a study file: which images, at which size, split how."""

from __future__ import annotations

from pydantic import Field

from bakeoff.study.settings.base import Settings


class DataSettings(Settings):
    """Where the images come from and how they are split."""

    source: str = "digits"
    """`digits`, or KIND:DIR with KIND one of splits, folder, stl10, cifar10."""

    image_size: int = Field(32, ge=8, le=512)
    """Height and width in pixels that every image is resized to."""

    split_seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the stratified cut where the source lacks a split."""

    val_fraction: float = Field(0.15, gt=0, lt=0.9)
    """Share of each class cut from train for val where the source has no val."""

    test_fraction: float = Field(0.2, gt=0, lt=0.9)
    """Share of each class cut from train for test where the source has no test (cut before val)."""

    stl10_val_per_class: int = Field(300, ge=1)
    """`stl10:` only: the first this many images a class of the official test part are val, the rest test."""

    first_line_is_header: bool = False
    """`splits:` only: drop the first line of each split file, as a CSV reader that expects a header does.
    The published study lost the first image of each split this way; leave it off elsewhere."""
