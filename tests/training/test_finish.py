"""What a finished run keeps."""

import pytest
import torch

from bakeoff.study import load_study
from bakeoff.training import train
from bakeoff.training.attribution import affordable_maps, cost_of_maps
from bakeoff.training.evaluation import predict_logits
from bakeoff.training.finish import epochs_to_finish
from bakeoff.training.stacked import train_stacked

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


def test_attributions_keep_to_what_the_training_affords_unless_all_are_asked_for(data):
    short = recipe().changed(epochs=1)
    limit = affordable_maps(short, short.epochs, len(data.train))
    some, every = (train(short, 0, data, all_attributions=asked) for asked in (False, True))
    num_wrong = int((some.test_logits.argmax(axis=1) != data.test.labels).sum())
    assert 0 < limit < num_wrong
    assert len(some.attributions.image_indices) == limit
    assert len(every.attributions.image_indices) == num_wrong
    assert some.test_logits.tobytes() == every.test_logits.tobytes()
    for asked, expected in ((False, some), (True, every)):
        *_, (_, stacked) = train_stacked(short, [0], data, "cpu", all_attributions=asked)
        assert len(stacked.attributions.image_indices) == len(expected.attributions.image_indices)


def test_what_a_run_costs_after_its_last_epoch_is_counted_in_epochs():
    short, long = recipe().changed(epochs=1), recipe().changed(epochs=1000)
    evaluation = 0.4 * (2 * 500 + 1000) / 1000
    assert epochs_to_finish(long, 1000, 500, 1.0) == pytest.approx(evaluation)
    maps = cost_of_maps(long, 250) / 1000
    assert epochs_to_finish(long, 1000, 500, 0.5) == pytest.approx(evaluation + maps)
    assert epochs_to_finish(short, 1000, 500, 0.5) == pytest.approx(evaluation + 0.096)  # 6 maps
    assert epochs_to_finish(short, 1000, 500, 0.5, all_attributions=True) == pytest.approx(evaluation + maps)
