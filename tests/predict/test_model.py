"""A loaded model gives what evaluation stored."""

import pytest
import torch
from tests.predict.trained import stored

from bakeoff.predict.model import load_model

RECIPES = ("lenet5", "lenet5_batch_norm")


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_loaded_model_gives_the_stored_logits_bit_for_bit(photo_study, split_images, recipe, seed):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        logits = load_model(photo_study, recipe, seed).logits(split_images)
    finally:
        torch.set_num_threads(threads)
    expected = stored(photo_study, recipe, seed)["test_logits"]
    assert logits.dtype == expected.dtype
    assert logits.tobytes() == expected.tobytes()
