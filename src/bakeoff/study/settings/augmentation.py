"""Random changes to training images."""

from __future__ import annotations

from pydantic import Field

from bakeoff.study.settings.base import Settings


class AugmentationSettings(Settings):
    """Random changes to training images, newly drawn in each epoch; all are off by default.

    They are applied in the order listed here, and never during evaluation.
    """

    custom: str = Field("", pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$")
    """Import path `package.module:Class` of your own augmentation. The class is called without arguments, and
    its instance with (images, generator): uint8 [N, H, W, 3] and a NumPy Generator; it returns images of the
    same shape and type."""

    random_crop_padding: int = Field(0, ge=0, le=1024)
    """Pad each side with this many pixels of the mean color, then crop to the image size at random."""

    horizontal_flip: bool = False
    """Mirror each image left to right with probability 0.5."""

    jitter_brightness: float = Field(0.0, ge=0, le=1)
    """Color jitter: multiply all pixels by a factor between 1 - j and 1 + j."""

    jitter_contrast: float = Field(0.0, ge=0, le=1)
    """Color jitter: blend with the mean gray of the image, by a factor between 1 - j and 1 + j."""

    jitter_saturation: float = Field(0.0, ge=0, le=1)
    """Color jitter: blend with the grayscale image, by a factor between 1 - j and 1 + j."""

    random_zoom: float = Field(0.0, ge=0, lt=1)
    """Show 1 - z to 1 + z of the width and height of the image, mirrored beyond its border; the aspect ratio
    changes by up to z / 2."""

    random_erasing: float = Field(0.0, ge=0, le=1)
    """Probability that a rectangle of 2 to 33 % of the area, with an aspect ratio of 0.3 to 3.3, is filled
    with the mean color (Zhong et al., 2020)."""

    mixup: float = Field(0.0, ge=0)
    """Blend each image with another image of its batch, and their labels likewise; the share is drawn once
    per batch from Beta(mixup, mixup) (Zhang et al., 2018). 0 turns it off."""

    cutmix: float = Field(0.0, ge=0, le=1)
    """Probability that, in a batch, a rectangle of each image is replaced by that of another image, and the
    labels are blended by its area, which is uniformly distributed (Yun et al., 2019)."""
