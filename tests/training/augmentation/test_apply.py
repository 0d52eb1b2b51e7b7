"""Augmentation against plain loops, Pillow, and what the papers say of the distributions."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from bakeoff.errors import BakeoffError
from bakeoff.study.settings.augmentation import AugmentationSettings
from bakeoff.training.augmentation.apply import (
    Augmentation,
    blended,
    check_augmentation,
    color_jitter,
    random_crop,
    random_erasing_,
    random_flip,
    random_zoom,
)
from bakeoff.training.augmentation.draws import cutmix_blending, mixup_blending
from bakeoff.training.preprocessing import Preprocessing

FILL = np.array([10, 120, 250], np.uint8)


def draws(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def images():
    return draws(5).integers(0, 256, (40, 12, 9, 3), dtype=np.uint8)


def test_each_crop_is_a_window_of_the_padded_image(images):
    before = images.copy()
    found = random_crop(images, 3, FILL, draws())
    assert np.array_equal(images, before)
    top, left = draws().integers(0, 7, (2, len(images)))
    for image, crop, row, column in zip(images, found, top, left, strict=True):
        padded = np.stack([np.pad(image[..., c], 3, constant_values=FILL[c]) for c in range(3)], axis=-1)
        assert np.array_equal(crop, padded[row : row + 12, column : column + 9])
    assert {*top} == {*left} == set(range(7))


def test_about_half_the_images_are_mirrored(images):
    many = np.repeat(images, 50, axis=0)
    found = random_flip(many, draws())
    same = (found == many).all(axis=(1, 2, 3))
    mirrored = (found == many[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 0.46 < mirrored.mean() < 0.54  # 2,000 images: standard error 0.011


@pytest.mark.parametrize("kind", ["Brightness", "Contrast", "Color"])
def test_colour_jitter_is_what_pillow_does_with_the_same_factor(images, kind):
    strength = [0.4 * (kind == name) for name in ("Brightness", "Contrast", "Color")]
    found = color_jitter(images, *strength, draws())
    place = ("Brightness", "Contrast", "Color").index(kind)
    factors = 1 + 0.4 * draws().uniform(-1, 1, (3, len(images)))[place]
    assert 0.6 < factors.min() < 0.65
    assert 1.35 < factors.max() < 1.4
    for image, changed, factor in zip(images, found, factors, strict=True):
        pillow = np.asarray(getattr(ImageEnhance, kind)(Image.fromarray(image)).enhance(factor))
        # Pillow rounds its greys and cuts off the fractions.
        assert np.abs(pillow.astype(int) - changed.astype(int)).max() <= 2


def test_a_zoom_of_nothing_gives_the_image_back_and_a_zoom_keeps_its_colours():
    pixels = torch.randn(30, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(random_zoom(pixels, 1e-9, draws()), pixels, atol=1e-4)
    zoomed = random_zoom(pixels, 0.3, draws())
    assert zoomed.shape == pixels.shape
    assert zoomed.abs().max() <= pixels.abs().max()
    plain = torch.full((4, 3, 16, 16), 0.7)
    assert torch.allclose(random_zoom(plain, 0.3, draws()), plain)


def test_a_zoom_shows_the_share_it_says():
    """A ramp from -1 to 1 over the width stays a ramp, and its slope is the share shown."""
    width = 32
    ramp = ((torch.arange(width) + 0.5) / width * 2 - 1).expand(50, 3, width, width).contiguous()
    zoomed = random_zoom(ramp, 0.3, draws())
    shares = 1 + 0.3 * draws().uniform(-1, 1, (2, 50))[0]
    ratios = 1 + 0.15 * np.random.default_rng(0).uniform(-1, 1, (2, 50))[1]
    middle = zoomed[:, 0, 16, 12:20].numpy()
    slopes = (middle[:, -1] - middle[:, 0]) / 7 / (2 / width)
    assert slopes == pytest.approx(shares * ratios, abs=1e-3)


def test_erased_rectangles_have_the_area_and_shape_of_the_paper():
    pixels = torch.ones(3000, 3, 32, 32)
    random_erasing_(pixels, 0.5, draws())
    erased = (pixels[:, 0] == 0).numpy()
    assert (pixels == pixels[:, :1]).all()
    some = erased.any(axis=(1, 2))
    assert 0.47 < some.mean() < 0.53  # standard error 0.009
    rows, columns = erased[some].any(axis=2).sum(1), erased[some].any(axis=1).sum(1)
    assert np.array_equal(rows * columns, erased[some].sum(axis=(1, 2)))  # one full rectangle each
    area = erased[some].mean(axis=(1, 2))
    assert 0.015 < area.min() < 0.03
    assert 0.30 < area.max() < 0.36
    assert area.mean() == pytest.approx((0.02 + 0.33) / 2, abs=0.01)
    # Where nothing is cut at the border, ratios of both kinds are equally likely.
    assert abs(np.log(columns / rows).mean()) < 0.05


def test_mixup_blends_images_and_keeps_the_larger_part_its_own(images):
    pixels = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
    mixed, blend = blended(pixels, mixup_blending(len(pixels), 0.4, draws()))
    assert sorted(blend.partners_N.tolist()) == list(range(len(images)))
    expected = blend.share * pixels + (1 - blend.share) * pixels[blend.partners_N]
    assert torch.allclose(mixed, expected, rtol=1e-5, atol=1e-3)
    shares = np.array([mixup_blending(2, 0.4, draws(seed)).share for seed in range(1000)])
    assert ((shares >= 0.5) & (shares <= 1)).all()
    beta = draws(1).beta(0.4, 0.4, 100_000)
    assert shares.mean() == pytest.approx(np.maximum(beta, 1 - beta).mean(), abs=0.02)


def test_cutmix_replaces_one_rectangle_and_counts_it():
    pixels = torch.arange(8.0)[:, None, None, None].expand(8, 3, 20, 20).contiguous()
    shares = []
    for seed in range(500):
        mixed, blend = blended(pixels, cutmix_blending(8, 20, 20, draws(seed)))
        replaced = (mixed != pixels)[:, 0]
        other = blend.partners_N != torch.arange(8)
        assert torch.equal(mixed.where(replaced[:, None], pixels), mixed)
        if other.any() and blend.share < 1:
            counts = replaced[other].sum(dim=(1, 2))
            assert (counts == counts[0]).all()
            assert 1 - blend.share == pytest.approx(counts[0].item() / 400)
        shares.append(blend.share)
    assert min(shares) < 0.2
    assert max(shares) > 0.98


def test_each_kind_has_random_numbers_of_its_own_and_each_epoch_too(images):
    preprocessing = Preprocessing((0.1, 0.5, 0.9), (0.2, 0.2, 0.2), 12)

    def crops(epoch, **settings):
        augmentation = Augmentation(
            AugmentationSettings(random_crop_padding=2, **settings), preprocessing, seed=3
        )
        augmentation.start_epoch(epoch)
        return augmentation.pixels(images)

    assert np.array_equal(crops(1), crops(1))
    assert not np.array_equal(crops(1), crops(2))
    flipped = crops(1, horizontal_flip=True)
    same = (flipped == crops(1)).all(axis=(1, 2, 3)) | (flipped == crops(1)[:, :, ::-1]).all(axis=(1, 2, 3))
    assert same.all()


def test_without_settings_the_images_stay_the_same(images):
    augmentation = Augmentation(AugmentationSettings(), Preprocessing((0, 0, 0), (1, 1, 1), 12), seed=0)
    assert augmentation.pixels(images) is images
    pixels = torch.zeros(2, 3, 4, 4)
    assert augmentation.tensors(pixels) == (pixels, None)


OWN = """
class Invert:
    def __call__(self, images, generator):
        return 255 - images

class Shrink:
    def __call__(self, images, generator):
        return images[:, ::2]

class Breaks:
    def __call__(self, images, generator):
        raise RuntimeError("no light")

class Silent:
    pass
"""


def test_a_users_own_augmentation_comes_first(tmp_path, monkeypatch, images):
    (tmp_path / "own_augmentations.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    settings = AugmentationSettings(custom="own_augmentations:Invert")
    check_augmentation(settings, images)
    found = Augmentation(settings, Preprocessing((0, 0, 0), (1, 1, 1), 12), seed=0).pixels(images)
    assert np.array_equal(found, 255 - images)
    for name, message in {
        "Shrink": r"returned uint8 \[40, 6, 9, 3\]; expected uint8 \[40, 12, 9, 3\]",
        "Breaks": "failed on 40 images: no light",
        "Silent": "is a Silent, which cannot be called",
        "Nothing": "has no class 'Nothing'; it has Invert, Shrink, Breaks, Silent",
    }.items():
        with pytest.raises(BakeoffError, match=message):
            check_augmentation(AugmentationSettings(custom=f"own_augmentations:{name}"), images)
