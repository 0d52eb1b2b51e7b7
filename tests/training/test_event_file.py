"""Event files, against TensorBoard's own reader."""

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.summary_pb2 import Summary

from bakeoff.training.event_file import EventFile


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
