"""Arrays of a run that cannot be are refused."""

import numpy as np
import pytest
from tests.digests import forget_digests

from bakeoff.errors import BakeoffError
from bakeoff.store import load_study_folder, save_run


@pytest.mark.parametrize(
    "changed",
    [
        {"maps": np.zeros((1, 16, 16), np.int8)},
        {"maps": np.zeros((3, 16, 15), np.int8)},
        {"maps": np.zeros((3, 16, 16), np.float32)},
        {"image_indices": np.array([0, 1, 359], np.int32)},
        {"image_indices": np.array([0, 0, 1], np.int32)},
        {"scale": np.array([1, np.nan, 1], np.float32)},
    ],
)
def test_attributions_that_cannot_be_are_said(layout, study, data, run, changed):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    forget_digests(layout.root)
    whole = {
        "image_indices": np.array([0, 1, 2], np.int32),
        "maps": np.zeros((3, 16, 16), np.int8),
        "scale": np.ones(3, np.float32),
        "error": np.zeros(3, np.float32),
    }
    path = layout.attributions("lenet5", 0)
    np.savez(path, **whole)
    assert load_study_folder(layout.root).attributions_of("lenet5") is not None
    np.savez(path, **whole | changed)
    with pytest.raises(BakeoffError, match="seed-0 is damaged"):
        list(load_study_folder(layout.root).attributions_of("lenet5"))
