"""A stack of models against each of its models alone."""

import pytest
import torch
from torch import nn

from bakeoff.training.stacked.model import StackedModel

CPU = torch.device("cpu")


def models(number: int = 3) -> list[nn.Module]:
    torch.manual_seed(0)
    return [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(144, 5))
        for _ in range(number)
    ]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("vectorized", [True, False])
def test_logits_and_running_statistics_are_those_of_each_model_alone(shared, vectorized):
    alone = models()
    stack = StackedModel(models(), CPU, vectorized=vectorized)
    images = torch.randn(*(() if shared else (3,)), 7, 3, 8, 8)
    for training in (True, False):
        stack.train(training)
        found = stack(images)
        for index, model in enumerate(alone):
            expected = model.train(training)(images if shared else images[index])
            torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-5)
    for index, model in enumerate(alone):
        weights = stack.weights_of(index)
        assert weights.keys() == model.state_dict().keys()
        for name, value in model.state_dict().items():
            torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5)


def test_each_models_gradient_is_clipped_by_its_own_norm():
    alone, stack = models(), StackedModel(models(), CPU)
    images = torch.randn(3, 7, 3, 8, 8) * torch.tensor([0.01, 1.0, 3.0]).view(3, 1, 1, 1, 1)
    stack(images).square().sum().backward()
    stack.clip_gradients(35.0)
    lengths = []
    for index, model in enumerate(alone):
        model(images[index]).square().sum().backward()
        lengths.append(float(nn.utils.clip_grad_norm_(model.parameters(), 35.0)))
        for (name, parameter), (_, stacked) in zip(
            model.named_parameters(), stack.named_parameters(), strict=True
        ):
            torch.testing.assert_close(stacked.grad[index], parameter.grad, rtol=1e-3, atol=1e-4, msg=name)
    assert min(lengths) < 35 < max(lengths)


def test_weights_that_are_put_in_come_out_again():
    stack = StackedModel(models(2), CPU)
    torch.manual_seed(9)
    states = [
        {
            name: torch.rand_like(value) if value.is_floating_point() else value + 3
            for name, value in s.items()
        }
        for s in (model.state_dict() for model in models(2))
    ]
    stack.load_weights(states)
    for index, state in enumerate(states):
        found = stack.weights_of(index)
        assert all(torch.equal(found[name], value) for name, value in state.items())


def test_tied_weights_stand_under_each_of_their_names():
    def tied() -> nn.Module:
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4))
        model[2].weight = model[1].weight
        return model

    stack = StackedModel([tied(), tied()], CPU)
    assert set(stack.weights_of(1)) == {"1.weight", "1.bias", "2.weight", "2.bias"}
    assert torch.equal(stack.weights_of(1)["1.weight"], stack.weights_of(1)["2.weight"])
