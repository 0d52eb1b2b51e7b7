"""Augmentation of a stack: pixel by pixel what each seed would see alone."""

import numpy as np
import torch
from tests.training.stacked.seeds import SEEDS, recipe

from bakeoff.training.augmentation.apply import Augmentation, color_jitter
from bakeoff.training.augmentation.stacked import StackedAugmentation
from bakeoff.training.preprocessing import Preprocessing
from bakeoff.training.repeatable import Stream, generator


def test_every_augmented_image_is_the_one_of_the_run_alone(data):
    settings = recipe(
        "augmentation={random_crop_padding=3, horizontal_flip=true, random_zoom=0.2, random_erasing=0.5, "
        "mixup=0.2, cutmix=0.5}"
    ).augmentation
    preprocessing = Preprocessing(data.mean, data.std, data.image_size)
    stacked = StackedAugmentation(settings, preprocessing, SEEDS, torch.device("cpu"))
    stacked.start_epoch(4, [40, 40, 7])
    alone = [Augmentation(settings, preprocessing, seed) for seed in SEEDS]
    for one in alone:
        one.start_epoch(4)
    start, kinds = 0, set()
    for batch, size in enumerate([40, 40, 7]):
        images = data.train.images[start : start + size]
        start += size
        pixels = stacked.pixels(torch.from_numpy(np.array([images] * 3)), batch)
        tensors = torch.stack([preprocessing(pixels[index].numpy()) for index in range(3)])
        mixed, blend = stacked.tensors(tensors, batch)
        for index, one in enumerate(alone):
            expected_pixels = one.pixels(images)
            assert (pixels[index].numpy() == expected_pixels).all()
            expected, expected_blend = one.tensors(preprocessing(expected_pixels))
            assert torch.allclose(mixed[index], expected, atol=1e-6)
            assert float(blend.share_S[index]) == expected_blend.share
            assert torch.equal(blend.partners_SN[index], expected_blend.partners_N)
            kinds.add(expected_blend.share >= 0.5)
    assert kinds == {True, False}


def test_colour_jitter_is_that_of_the_run_alone_to_one_step_of_rounding(data):
    settings = recipe(
        "augmentation={jitter_brightness=0.3, jitter_contrast=0.4, jitter_saturation=0.5}"
    ).augmentation
    preprocessing = Preprocessing(data.mean, data.std, data.image_size)
    colours = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), dtype=np.uint8)
    stacked = StackedAugmentation(settings, preprocessing, SEEDS, torch.device("cpu"))
    stacked.start_epoch(1, [50])
    found = stacked.pixels(torch.from_numpy(np.array([colours] * 3)), 0).numpy().astype(int)
    for index, seed in enumerate(SEEDS):
        expected = color_jitter(colours, 0.3, 0.4, 0.5, generator(seed, Stream.JITTER, 1)).astype(int)
        assert np.abs(found[index] - expected).max() <= 1
        assert (found[index] != expected).mean() < 1e-3
