"""What a finished run keeps."""

import pytest
import torch

from bakeoff.study import load_study
from bakeoff.training import train
from bakeoff.training.evaluation import predict_logits

pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(name="lenet5", **changes):
    return load_study("quickstart", epochs=2).recipes[name].model_copy(update=changes)


def test_kept_weights_give_the_stored_test_logits(data):
    from bakeoff.models import LeNet5

    run = train(recipe("lenet5_batch_norm"), 0, data)
    model = LeNet5(10, 16, batch_norm=True).to(memory_format=torch.channels_last)
    model.load_state_dict(run.weights)
    again = predict_logits(model, data.test.images, run.preprocessing)
    assert again.tobytes() == run.test_logits.tobytes()
