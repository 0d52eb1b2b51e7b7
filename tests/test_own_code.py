"""A user's own classes."""

import pytest

import bakeoff


def test_a_class_defined_inside_of_something_is_refused(study):
    from torch import nn

    class Local(nn.Module):
        pass

    with pytest.raises(bakeoff.BakeoffError, match="define Local at the top level of its file"):
        study.recipes["lenet5"].changed(model=Local)
