"""What the tests of decoding share."""

import io

import numpy as np
import pytest

from bakeoff.data.decoding.image_file import open_rgb


@pytest.fixture
def shows():
    """Checks that the bytes of a file show these colors, gray or RGB in 0..1, to a level of 255."""

    def check(content, expected, decoding=None, atol=1.0):
        expected = np.asarray(expected, float)
        gray = expected.reshape(*expected.shape[:2], -1).shape[2] == 1
        rgb = np.repeat(expected.reshape(*expected.shape[:2], 1), 3, axis=2) if gray else expected
        pixels = np.asarray(open_rgb(io.BytesIO(content), decoding)).astype(float)
        assert pixels.shape == rgb.shape
        np.testing.assert_allclose(pixels, 255 * rgb, atol=atol + 1e-6)

    return check
