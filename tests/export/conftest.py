"""A run and an ensemble of the study of photographs, exported, and the images to try them on."""

import numpy as np
import pytest
from tests.predict.trained import bakeoff, stored

from bakeoff.data import decode_image


@pytest.fixture(scope="session")
def exported(photo_study, tmp_path_factory):
    """One run by default settings, and the ensemble of a recipe."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "one").mkdir()
    one = bakeoff("export", photo_study, "one", cwd=folder, PYTHONWARNINGS="error::DeprecationWarning")
    words = ["--recipe", "lenet5_batch_norm", "--ensemble"]
    both = bakeoff("export", photo_study, "new/both", *words, cwd=folder)
    for done in (one, both):
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
    return folder, one, both


@pytest.fixture(scope="session")
def images(photo_study, photographs):
    ids = stored(photo_study, "lenet5", 0)["test_ids"]
    return np.stack([decode_image(photographs / name, 32) for name in ids])
