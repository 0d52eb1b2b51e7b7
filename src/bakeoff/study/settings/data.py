"""The [data] table of a study file: the images, their size and their splits."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from bakeoff.study.settings.base import Settings
from bakeoff.text import shorten

NEAR_DUPLICATES = "near_duplicates"
"""As `groups`: what the data check links."""


class DataSettings(Settings):
    """The source of the images and how they are split."""

    source: str = "digits"
    """`digits`, or KIND:PATH with KIND one of folder, csv, parquet, splits, idx, npz, stl10, cifar10."""

    image_size: int = Field(32, ge=8, le=512)
    """Height and width in pixels to which every image is resized."""

    fit: Literal["stretch", "crop", "pad"] = "stretch"
    """What happens to images that are not square: they are stretched to a square, cropped to the square in
    their middle, or padded with black."""

    bits: int | None = Field(None, ge=8, le=16)
    """Of images stored as integers of more than 8 bits per channel, the number of bits used: with 10, the
    value 1023 is white. By default found from the largest value in all of them."""

    channels: Literal["rgb", "grey"] | None = None
    """`grey` gives images and models one channel instead of three: for data sets in gray, whose published
    models have one. Images in color become gray. By default rgb."""

    on_unreadable: Literal["stop", "skip"] = "stop"
    """What happens if images cannot be decoded: the study stops, or they are skipped and reported."""

    split_seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the stratified random split, used if the source lacks a split."""

    val_fraction: float = Field(0.15, gt=0, lt=0.9)
    """Fraction of each class taken from train for val, if the source has no val."""

    test_fraction: float = Field(0.2, gt=0, lt=0.9)
    """Fraction of each class taken from train for test, if the source has no test (taken before val)."""

    stl10_val_per_class: int = Field(300, ge=1)
    """`stl10:` only: the first this many images per class of the official test set are val, the rest test."""

    class_names: tuple[str, ...] | None = Field(None, strict=False, min_length=2)
    """Names of the classes in label order, for a source whose labels are numbers and that has no names, such
    as split files without `class_names.txt`."""

    groups: str | None = None
    """Regular expression whose first group, in parentheses, finds in the id of each image the name of those
    that belong together with it (of one patient, of one object), as in `"(patient[0-9]+)"`. Groups stay
    whole when splits are cut from train. A table may have a column of groups instead. `near_duplicates`: the
    images that the data check finds identical or near duplicates, directly or through others."""

    columns: dict[Literal["image", "label", "split", "group"], str] | None = None
    """`csv:` and `parquet:` only: names of the columns that are not image, label, split or group, as in
    `{ image = "id", label = "breed" }`."""

    image_folder: str | None = None
    """`csv:` only: the folder that image paths are relative to. It is itself relative to the folder of the
    file, which is the default."""

    first_line_is_header: bool = False
    """`splits:` only: skip the first line of each split file, as a CSV reader that expects a header does.
    The published study lost the first image of each split this way; leave it off otherwise."""

    @field_validator("class_names")
    @classmethod
    def _has_different_names(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if not name.strip() or (names or ()).count(name) > 1:
                raise ValueError(f"the name {shorten(name)} is empty or listed twice; expected one per class")
        return names

    @field_validator("groups")
    @classmethod
    def _has_a_group(cls, pattern: str | None) -> str | None:
        if pattern not in (None, NEAR_DUPLICATES):
            assert pattern is not None
            try:
                num_groups = re.compile(pattern).groups
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"found {shorten(pattern)}, not a regular expression: {error}") from error
            if num_groups == 0:
                raise ValueError(
                    f"found {shorten(pattern)}, expected a group in parentheses, as in '([^_]+)_'"
                )
        return pattern


class OtherImages(Settings):
    """Other labeled images, such as new photographs, on which the trained models are tested at the end."""

    source: str
    """As `data.source`: its test split, or all images if it has none. Its classes are those of the study, or
    some of them; images are decoded as in training."""

    class_names: tuple[str, ...] | None = Field(None, strict=False, min_length=2)
    """As `data.class_names`."""

    groups: str | None = None
    """As `data.groups`, without `near_duplicates`."""

    columns: dict[Literal["image", "label", "split", "group"], str] | None = None
    """As `data.columns`."""

    image_folder: str | None = None
    """As `data.image_folder`."""

    first_line_is_header: bool = False
    """As `data.first_line_is_header`."""

    @model_validator(mode="after")
    def _is_possible(self) -> OtherImages:
        if self.groups == NEAR_DUPLICATES:
            raise ValueError(f"groups is {NEAR_DUPLICATES!r}, which is for [data] alone")
        _ = self.as_data  # refuses what the data table would
        return self

    @property
    def as_data(self) -> DataSettings:
        """A data table that lists these images."""
        return DataSettings.model_validate(self.model_dump(exclude_none=True))
