"""A user's own classes."""

import pytest

import bakeoff


@pytest.fixture(scope="module")
def study():
    study = bakeoff.load_study("quickstart", epochs=2, seeds=2, recipes=["lenet5"])
    lenet5 = study.recipes["lenet5"]
    return study.changed(
        name="api",
        data={"image_size": 16},
        baseline="lenet5",
        recipes={"batch_norm": lenet5.changed(model={"batch_norm": True})},
    )


def test_a_class_defined_inside_of_something_is_refused(study):
    from torch import nn

    class Local(nn.Module):
        pass

    with pytest.raises(bakeoff.BakeoffError, match="define Local at the top level of its file"):
        study.recipes["lenet5"].changed(model=Local)
