"""What may happen to a training image each time it is shown."""

from __future__ import annotations

from pydantic import Field

from bakeoff.study.settings.base import Settings


class AugmentationSettings(Settings):
    """Random changes to training images, drawn anew in each epoch; all off unless given.

    They come in the order they stand here. Evaluation never sees them.
    """

    custom: str = Field("", pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$")
    """Import path `package.module:Class` of the user's own. The class is called without arguments, and the
    object with (images, generator): uint8 [N, H, W, 3] and a numpy Generator; it returns such images."""

    random_crop_padding: int = Field(0, ge=0, le=1024)
    """Pad each side with this many pixels of the mean colour and cut the image's size out at random."""

    horizontal_flip: bool = False
    """Mirror every second image, on average, left to right."""

    jitter_brightness: float = Field(0.0, ge=0, le=1)
    """Colour jitter: multiply all pixels by a factor within 1 - j and 1 + j."""

    jitter_contrast: float = Field(0.0, ge=0, le=1)
    """Colour jitter: blend with the image's mean grey, by a factor within 1 - j and 1 + j."""

    jitter_saturation: float = Field(0.0, ge=0, le=1)
    """Colour jitter: blend with the grey version of the image, by a factor within 1 - j and 1 + j."""

    random_zoom: float = Field(0.0, ge=0, lt=1)
    """Show 1 - z to 1 + z of the image's width and height, mirrored beyond the border; the ratio of the two
    changes by up to z / 2."""

    random_erasing: float = Field(0.0, ge=0, le=1)
    """Probability that a rectangle of 2 to 33 % of the area, 0.3 to 3.3 times as wide as high, is filled with
    the mean colour (Zhong et al., 2020)."""

    mixup: float = Field(0.0, ge=0)
    """Blend each image with another of its batch, and their labels likewise; the share is drawn once a batch
    from Beta(mixup, mixup) (Zhang et al., 2018)."""

    cutmix: float = Field(0.0, ge=0, le=1)
    """Probability that a batch has a rectangle of each image replaced by that of another, and the labels
    blended by its area, which is uniform (Yun et al., 2019)."""
