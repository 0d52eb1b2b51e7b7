import shutil
import warnings

import numpy as np
import pytest
from matplotlib import colormaps
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bakeoff.errors import BakeoffError
from bakeoff.training.records import EpochRecord
from bakeoff.training.tensorboard import TensorBoardLog, _confusion_picture, _ConfusionPicture

RECORD = EpochRecord(1, 0.1, 2.0, 0.25, 1.5, 0.5, 3.0)


def scalars(directory):
    """(step, value) of each tag."""
    found = EventAccumulator(str(directory), {"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]
    }


def test_an_epoch_can_be_read_as_soon_as_it_is_over(tmp_path):
    with TensorBoardLog(tmp_path / "log") as log:
        log.on_step(1, 2.5, 0.125)
        log.on_step(2, 1.5, 0.375)
        log.on_epoch(RECORD)
        assert scalars(tmp_path / "log") == {
            "step/loss": [(1, 2.5), (2, 1.5)],
            "step/accuracy": [(1, 0.125), (2, 0.375)],
            "loss/train": [(1, 2.0)],
            "loss/val": [(1, 1.5)],
            "accuracy/train": [(1, 0.25)],
            "accuracy/val": [(1, 0.5)],
            "learning_rate": [(1, pytest.approx(0.1))],
        }


def test_the_steps_before_an_error_are_written(tmp_path):
    def fail_after_a_step():
        with TensorBoardLog(tmp_path) as log:
            log.on_step(1, 2.5, 0.125)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_a_step()
    assert scalars(tmp_path)["step/loss"] == [(1, 2.5)]


def test_two_logs_of_the_same_second_are_two_files(tmp_path):
    for _ in range(2):
        TensorBoardLog(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_confusion_matrix_is_a_picture_of_its_size(tmp_path):
    from io import BytesIO

    from PIL import Image

    with TensorBoardLog(tmp_path) as log:
        log.on_tested({"lr": 0.1}, 3, np.array([0, 1, 1]), np.eye(2, dtype=np.float32)[[0, 1, 0]], ["a", "b"])
    found = EventAccumulator(str(tmp_path)).Reload()
    (event,) = found.Images("confusion_matrix/test")
    with Image.open(BytesIO(event.encoded_image_string)) as picture:
        assert (event.step, picture.size) == (3, (event.width, event.height))
    assert scalars(tmp_path)["accuracy/test"][-1] == (3, pytest.approx(2 / 3))


@pytest.mark.parametrize("num_classes", [3, 25])  # more than 20 have no numbers
def test_a_picture_that_is_filled_in_again_is_as_a_new_one(num_classes):
    def matrix(seed):
        return np.random.default_rng(seed).integers(0, 100, (num_classes, num_classes))

    names = tuple(f"${place}$" for place in range(num_classes))
    used = _confusion_picture(names)
    first, second = used.draw(matrix(1)), used.draw(matrix(2))
    assert first != second
    assert second == _ConfusionPicture(names).draw(matrix(2))
    assert used.draw(matrix(1)) == first
    assert _confusion_picture(names) is used


@pytest.mark.parametrize("num_classes", [3, 20, 25])
def test_the_share_of_a_row_is_the_blue_of_its_cell(num_classes):
    matrix = np.zeros((num_classes, num_classes), np.int64)
    matrix[0, 2], matrix[1, 0], matrix[1, 1] = 5, 7, 21
    picture = _ConfusionPicture(tuple("abcdefghijklmnopqrstuvwxyz"[:num_classes]))
    empty, filled = (np.asarray(picture.draw(cells).convert("RGB")) for cells in (0 * matrix, matrix))
    frame = np.argwhere((empty == 0).all(axis=2).sum(axis=1) > len(empty) / 2)
    top, height = frame[0, 0], (frame[-1, 0] - frame[0, 0]) / num_classes
    left = np.argwhere((empty == 0).all(axis=2).sum(axis=0) > len(empty) / 2)[0, 0]
    for row, column, share in [(0, 0, 0.0), (0, 2, 1.0), (1, 0, 0.25), (1, 1, 0.75), (2, 0, 0.0)]:
        # Near the corner of a cell, where no number is.
        color = filled[round(top + (row + 0.1) * height), round(left + (column + 0.1) * height)]
        np.testing.assert_allclose(color, colormaps["Blues"](share, bytes=True)[:3], atol=4)
    changed = np.argwhere((empty != filled).any(axis=2)) - (top, left)
    assert changed.min() > 0
    assert changed.max() < round(3 * height)


def test_a_picture_of_names_that_leave_no_room_is_drawn_all_the_same():
    names = tuple(f"{place} {'long ' * 80}" for place in range(3))
    with warnings.catch_warnings(action="ignore"):  # of matplotlib's layout
        assert _ConfusionPicture(names).draw(np.eye(3, dtype=np.int64)).size == (505, 505)


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BakeoffError, match=r"cannot write .*file.*another folder"):
        TensorBoardLog(tmp_path / "file" / "log")


def test_a_folder_that_is_deleted_meanwhile_is_told_in_words(tmp_path):
    log = TensorBoardLog(tmp_path / "log")
    shutil.rmtree(tmp_path / "log")
    with pytest.raises(BakeoffError, match=r"cannot write .*log: No such file"):
        log.on_epoch(RECORD)
