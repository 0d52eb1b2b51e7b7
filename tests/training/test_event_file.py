"""Event files, against TensorBoard's own checksum and reader."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from bakeoff.training.event_file import EventFile, crc32c


def test_the_checksum_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 1023, 4000])
def test_the_checksum_is_that_of_tensorboard(size):
    content = np.random.default_rng(size).bytes(size)
    assert crc32c(content) == pywrap_tensorflow.crc32c(content)


def test_short_and_long_events_are_read_by_tensorboard(tmp_path):
    file = EventFile(tmp_path)
    tags = ["short", "long" * 1000]
    for tag in tags:
        file.add(Summary(value=[Summary.Value(tag=tag, simple_value=0.5)]), 3)
    file.flush()
    (path,) = tmp_path.iterdir()
    version, *events = EventFileLoader(str(path)).Load()
    assert version.file_version == "brain.Event:2"
    assert [event.summary.value[0].tag for event in events] == tags
