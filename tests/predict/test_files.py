"""Predicting with the models of a real study: the same answers as evaluation stored, whatever comes along."""

import itertools

import numpy as np
import pytest
import torch
from tests.predict.trained import softmax, stored

from bakeoff.errors import BakeoffError
from bakeoff.predict.files import ImagePrediction, UnreadableImage, image_files, predict

RECIPES = ("lenet5", "lenet5_batch_norm")


@pytest.mark.parametrize("recipe", RECIPES)
def test_prediction_of_the_test_files_is_the_softmax_of_the_stored_logits(photo_study, split_files, recipe):
    found = list(predict(photo_study, split_files, recipe=recipe, seeds=[1]))
    arrays = stored(photo_study, recipe, 1)
    probabilities = np.stack([outcome.probabilities for outcome in found])
    # exp and the division round in the last digit of float64; two logits that differ are 1e-7 apart.
    np.testing.assert_allclose(probabilities, softmax(arrays["test_logits"]), rtol=1e-13)
    predicted = [arrays["class_names"].tolist().index(outcome.class_name) for outcome in found]
    assert predicted == arrays["test_logits"].argmax(1).tolist()
    assert [outcome.image for outcome in found] == split_files


def test_an_image_alone_gets_what_it_gets_among_others(photo_study, split_files):
    expected = softmax(stored(photo_study, "lenet5_batch_norm", 0)["test_logits"])
    for index in (0, 277, 399):
        (alone,) = predict(photo_study, [split_files[index]], recipe="lenet5_batch_norm", seeds=[0])
        np.testing.assert_allclose(alone.probabilities, expected[index], atol=1e-6)


def test_an_endless_list_of_files_is_read_as_it_goes(photo_study, split_files):
    endless = predict(photo_study, itertools.cycle(split_files[:3]), seeds=[0])
    first = list(itertools.islice(endless, 1300))
    endless.close()
    assert [outcome.image for outcome in first] == (split_files[:3] * 434)[:1300]
    assert first[0].probability == pytest.approx(first[1299].probability)


def test_threads_of_the_caller_are_left_as_they_were(photo_study, split_files):
    before = torch.get_num_threads()
    list(predict(photo_study, split_files[:3]))
    assert torch.get_num_threads() == before


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(photo_study, mixed, tmp_path):
    found = list(predict(photo_study, [mixed, tmp_path / "missing.png"]))
    assert [outcome.image.name for outcome in found if isinstance(outcome, ImagePrediction)] == [
        "a good.png", "g grey.png"
    ]  # fmt: skip
    reasons = {o.image.name: o.reason for o in found if isinstance(o, UnreadableImage)}
    assert reasons.pop("d cut.png")
    assert reasons == {
        "b empty.png": "the file is empty",
        "c text.jpg": "not an image of a known format",
        "e pipe.png": "not a regular file",
        "f broken link.png": "no such file or folder",
        "missing.png": "no such file or folder",
    }


def test_what_is_no_study_folder_is_told(tmp_path):
    with pytest.raises(BakeoffError, match="is not a study folder"):
        predict(tmp_path, [tmp_path])


def test_files_of_a_folder_come_in_order_before_those_of_its_folders(tmp_path):
    for name in ("b.png", "a.JPG", "c/z.webp", "c/d/y.tif", "a folder/x.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/w.png").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in image_files([tmp_path])]
    assert found == ["a.JPG", "b.png", "a folder/x.png", "c/z.webp", "c/d/y.tif"]


def test_links_are_followed_and_loops_end(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "image.png").touch()
    (inner / "up").symlink_to(tmp_path)
    (inner / "self").symlink_to(inner)
    (tmp_path / "again").symlink_to(inner)
    (tmp_path / "linked.png").symlink_to(inner / "image.png")
    found = [path.relative_to(tmp_path).as_posix() for path in image_files([tmp_path])]
    assert found == ["linked.png", "again/image.png"]


def test_folders_that_link_to_one_another_are_each_entered_once(tmp_path):
    names = [f"{number:02d}" for number in range(12)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").touch()
        for other in names:
            (tmp_path / name / f"to {other}").symlink_to(tmp_path / other)
    assert sorted(path.name for path in image_files([tmp_path])) == [f"{name}.png" for name in names]


def test_a_named_file_is_given_whatever_its_name_and_even_if_it_is_missing(tmp_path):
    text, missing, long = tmp_path / "readme.txt", tmp_path / "missing.png", tmp_path / ("n" * 5000)
    text.touch()
    assert list(image_files([text, missing, long])) == [text, missing, long]
