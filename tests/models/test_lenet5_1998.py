"""LeNet-5 of 1998 against the tables of LeCun et al.'s paper."""

import torch

from bakeoff.models import build_model, count_parameters
from bakeoff.models.lenet5_1998 import CONNECTIONS, PartialConvolution
from bakeoff.study.settings.model import LeNet51998Settings


def test_the_1998_net_has_the_papers_number_of_parameters_layer_by_layer():
    model = build_model(LeNet51998Settings(), num_classes=10, image_size=32, seed=0)
    found = {name: count_parameters(layer) for name, layer in model.named_children()}
    two_more_colours = 2 * 6 * 25
    assert found == {
        "c1": 156 + two_more_colours,
        "s2": 12,
        "c3": 1516,
        "s4": 32,
        "c5": 48_120,
        "f6": 10_164,
        "output": 850,
    }
    assert count_parameters(model) == 61_150
    gray = build_model(LeNet51998Settings(), num_classes=10, image_size=32, num_channels=1, seed=0)
    assert count_parameters(gray) - count_parameters(gray.output) == 60_000  # as the paper says


def test_the_partial_convolution_sees_the_maps_of_the_papers_table_and_no_others():
    """Each of the sixteen maps answers to just the input maps in its row, by its own convolution."""
    layer = PartialConvolution()
    maps = torch.randn(2, 6, 9, 9)
    found = layer(maps)
    for row, seen in enumerate(CONNECTIONS):
        assert torch.allclose(
            found[:, row : row + 1], layer.convolutions[row](maps[:, list(seen)]), atol=1e-5
        )
    # In the paper: six maps see three in a row, six four in a row, three four otherwise, one all.
    assert [len(seen) for seen in CONNECTIONS] == [3] * 6 + [4] * 9 + [6]
    counts = [sum(source in seen for seen in CONNECTIONS) for source in range(6)]
    assert counts == [10] * 6
