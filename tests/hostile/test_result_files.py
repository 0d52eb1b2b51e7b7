"""Predictions and study folders, damaged or made to do harm."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.digests import forget_digests

from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions
from bakeoff.store import UnfinishedRun, arrays, load_study_folder, prepare_folder, save_run, study_status
from bakeoff.study import load_study
from bakeoff.training import train

HEADER = "recipe,seed,image,label,prediction"
CSV = f"{HEADER},p_cat,p_dog\na,0,1.png,cat,cat,0.75,0.25\na,0,2.png,dog,cat,0.6,0.4\n"


class Planted:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        from pathlib import Path

        return Path.touch, (self.mark,)


def npy(descr, shape, body=b""):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header + body


def npz(path, method=zipfile.ZIP_STORED, **changes):
    """Predictions in which some arrays are replaced by bytes."""
    arrays = {
        "recipe": np.array("a"),
        "seed": np.array(0),
        "class_names": np.array(["cat", "dog"]),
        "test_logits": np.zeros((2, 2), np.float32),
        "test_labels": np.array([0, 1]),
        "test_ids": np.array(["1.png", "2.png"]),
    } | changes
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            if isinstance(array, np.ndarray):
                np.save(content, array)
            archive.writestr(f"{name}.npy", content.getvalue() or array)
    return path


def test_the_file_that_is_damaged_below_is_good(tmp_path):
    assert read_predictions([npz(tmp_path / "p.npz")]).class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEADER}\na,{'9' * 5_000},1.png,cat,cat\n", "the seed has 5,000 characters"),
        (f"{HEADER}\na,0,1.png,{'9' * 5_000},1\n", "line 2: the label has 5,000 characters"),
        (f"{HEADER}\na,0,{'x' * 100_000},cat,cat\n", "the image has 100,000 characters"),
        (f"{HEADER},p_{'x' * 100_000}\n", "column whose name has 100,002 characters"),
        (HEADER + ",a" * 300_000 + "\n", "more than once"),
        (HEADER.replace("label", "x" * 100_000), "no column 'label'"),
        (CSV.replace("0.75", "1e39"), "infinite"),
        (CSV.replace("0.75", "9" * 5_000), "infinite"),
        (CSV.replace("0.75", "x" * 100_000), "p_cat is"),
        (CSV.replace("a,0,2", "a,1,2"), "predictions are missing"),
    ],
)
def test_a_hostile_csv_file_is_refused_soon(tmp_path, refused, text, words):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with refused(str(path), words):
        read_predictions([path])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_logits": npy("<f4", (10**12, 2))}, "declares 8,000,000,000,000 bytes"),
        ({"test_logits": npy("<f4", (2**62, 2**62))}, "declares"),
        ({"test_logits": npy("<f4", (-1, 2))}, "cannot read"),
        ({"test_logits": npy("<f4", "x")}, "cannot read"),
        ({"test_logits": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b"(" * 100_000}, "cannot read"),
        ({"test_logits": b"no array"}, "cannot read"),
        ({"test_logits": np.zeros((2, 0), np.float32)}, "inconsistent arrays"),
        ({"test_logits": np.array([[1e308, -1e308], [0, 0]])}, "are NaN or infinite"),
        ({"test_ids": npy("<U1", (2,), b"\xff" * 8)}, "invalid text"),
        ({"test_ids": npy("<U1", (2,), b"\x00\xd8\x00\x00" * 2)}, "invalid text"),
        ({"test_ids": np.array([1.5, 2])}, "expected strings"),
        ({"recipe": np.array("x" * 1_000)}, "more than 500 characters"),
        ({"class_names": np.array(["cat", "cat"])}, "'cat' more than once"),
        ({"seed": np.array("NaT", "M8[s]")}, "wrong type"),
    ],
)
def test_a_hostile_npz_file_is_refused_soon(tmp_path, refused, changes, words):
    path = npz(tmp_path / "p.npz", **changes)
    with refused(str(path), words):
        read_predictions([path])


def test_a_zip_bomb_is_not_unpacked(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_BYTES", 10_000_000)
    bomb = npy("<f4", (10_000_000, 1), bytes(40_000_000))
    path = npz(tmp_path / "p.npz", zipfile.ZIP_DEFLATED, test_logits=bomb)
    assert path.stat().st_size < 100_000
    with refused(str(path), "40,000,", "the limit is"):
        read_predictions([path])


def test_objects_are_never_unpickled(tmp_path, refused):
    mark = tmp_path / "mark"
    content = io.BytesIO()
    np.save(content, np.array([Planted(mark)], object), allow_pickle=True)
    path = npz(tmp_path / "p.npz", test_ids=content.getvalue())
    with refused(str(path)):
        read_predictions([path])
    assert not mark.exists()


@pytest.mark.parametrize("flag", ["encrypted", "method"])
def test_an_archive_of_a_foreign_kind_is_refused(tmp_path, refused, flag):
    path = npz(tmp_path / "p.npz")
    content = bytearray(path.read_bytes())
    for start in (content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")):
        place = start + (6 if content[start + 2] == 3 else 8) + (2 if flag == "method" else 0)
        content[place] = 99 if flag == "method" else 1
    path.write_bytes(content)
    with refused(str(path), "cannot read"):
        read_predictions([path])


@given(st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), min_size=1, max_size=3))
def test_damaged_predictions_are_read_or_refused(tmp_path, damages):
    for name, content in (("p.csv", CSV.encode()), ("p.npz", npz(tmp_path / "good.npz").read_bytes())):
        path, damaged, message = tmp_path / name, bytearray(content), str(tmp_path)
        for place, replacement in damages:
            start = int(place * len(damaged))
            damaged[start : start + len(replacement)] = replacement
        path.write_bytes(damaged)
        try:
            read_predictions([path])
        except BakeoffError as error:
            message = str(error)
        assert str(tmp_path) in message


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    study = load_study("quickstart", seeds=2, epochs=1, recipes=["lenet5"], overrides=["data.image_size=16"])
    data = load_data(study.data)
    torch.set_num_threads(1)
    layout = prepare_folder(tmp_path_factory.mktemp("finished") / "study", study, data, {"python": "3"})
    save_run(layout, study, "lenet5", 0, "identity", train(study.recipes["lenet5"], 0, data), data)
    forget_digests(layout.root)
    return layout.root


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "study")


def test_the_folder_that_is_damaged_below_is_good(folder):
    assert load_study_folder(folder).predictions().num_images > 0
    assert len(study_status(folder)[1]) == 2


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"null", b"[]", b"{}", b"\xff", b'{"format_version": 1}']
)
@pytest.mark.parametrize("name", ["data.json", "environment.json", "runs/lenet5/seed-0/history.csv"])
def test_a_damaged_text_file_of_a_study_is_told(folder, refused, name, content):
    (folder / name).write_bytes(content)
    if name == "environment.json" and content.startswith(b"{"):
        assert load_study_folder(folder).environment is not None
        return
    with refused(str(folder)):
        load_study_folder(folder)


@pytest.mark.parametrize("text", ["", "a\n", "epoch,val_accuracy\n1,x\n", "epoch\n1\n", "epoch,a\n1\n2,3\n"])
def test_the_status_tells_of_a_damaged_history(folder, refused, text):
    (folder / "runs/lenet5/seed-0/history.csv").write_text(text)
    with refused("seed-0", "is damaged"):
        study_status(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class_names", ["one"]), ("class_names", 3), ("counts", {}), ("fingerprint", None), ("mean", [1, 2]),
        ("counts", {"train": [1], "val": [1], "test": [1]}), ("image_size", -1), ("notes", ""), ("std", "x"),
    ],
)  # fmt: skip
def test_a_wrong_value_in_data_json_is_told(folder, refused, key, value):
    data = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps(data | {key: value}))
    with refused("damaged", key):
        load_study_folder(folder)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("test_images.npz", {"images": np.zeros((3, 8, 8, 3), np.uint8)}),
        ("test_images.npz", {"labels": np.array([99] * 5)}),
        ("test_images.npz", {"ids": np.array(3)}),
        ("runs/lenet5/seed-0/predictions.npz", {"test_logits": np.zeros((3, 10), np.float32)}),
        ("runs/lenet5/seed-0/predictions.npz", {"test_logits": np.full((359, 10), 1e308)}),
        ("runs/lenet5/seed-0/predictions.npz", {"checkpoint_epoch": np.array([1, 2])}),
        ("runs/lenet5/seed-0/predictions.npz", {"num_parameters": np.array("many")}),
        ("runs/lenet5/seed-0/predictions.npz", {"train_true_probability": np.array(1)}),
    ],
)
def test_arrays_that_do_not_fit_the_study_are_told(folder, refused, file, changes):
    with np.load(folder / file) as arrays:
        whole = dict(arrays)
    np.savez(folder / file, **(whole | changes))
    with refused(str(folder), "damaged"):
        load_study_folder(folder)


def test_a_flipped_bit_in_a_resume_state_is_noticed(tmp_path):
    """torch.load would take it for another weight."""
    unfinished = UnfinishedRun(tmp_path / "unfinished.state", "identity")
    unfinished.save(b"the state", 1, 0.5)
    assert unfinished.load() == b"the state"
    good = unfinished.path.read_bytes()
    for place in range(len(good)):
        unfinished.path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert unfinished.load() in (None, b"the state")
    unfinished.path.write_bytes(good.replace(b"the state", b"the stat3"))
    assert unfinished.load() is None


def test_the_state_of_a_run_of_another_identity_is_never_given(tmp_path):
    UnfinishedRun(tmp_path / "unfinished.state", "one").save(b"the state", 1, 0.5)
    assert UnfinishedRun(tmp_path / "unfinished.state", "one").load() == b"the state"
    assert UnfinishedRun(tmp_path / "unfinished.state", "another").load() is None


@pytest.mark.parametrize(
    "header", [b"[" * 100_000, b'{"epoch": Infinity, "val_accuracy": 1}', b"x" * 10_000_000]
)
def test_a_damaged_header_of_a_resume_state_is_no_progress(folder, header):
    path = folder / "runs/lenet5/seed-1/unfinished.state"
    path.parent.mkdir()
    path.write_bytes(header)
    assert [status.state for status in study_status(folder)[1]] == ["finished", "waiting"]
