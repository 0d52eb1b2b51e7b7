"""Files of weights: what they state, and what is refused of them."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from bakeoff.errors import BakeoffError
from bakeoff.models.weights_file import (
    Stated,
    collect_weights,
    make_readable,
    read_weights_file,
    weights_digest,
)

TENSORS = {"layer.weight": torch.arange(6.0).reshape(2, 3)}

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def metadata(**table):
    return {key: json.dumps(value) for key, value in table.items()}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, Stated()),
        (metadata(mean=MEAN, std=STD, input_size=[3, 224, 224]), Stated(MEAN, STD, 224)),
        (metadata(image_size=96), Stated(image_size=96)),
        (
            metadata(bakeoff={"preprocessing": {"mean": MEAN, "std": STD, "image_size": 32}}),
            Stated(MEAN, STD, 32),
        ),
    ],
)
def test_a_file_states_its_preprocessing(tmp_path, stated, expected):
    path = tmp_path / "net.safetensors"
    save_file(TENSORS, path, {"format": "pt", **stated})
    content = read_weights_file(str(path))
    assert content.stated == expected
    assert torch.equal(content.tensors["layer.weight"], TENSORS["layer.weight"])


def test_what_a_file_does_not_state_a_library_may():
    assert Stated(image_size=96).or_else(Stated(MEAN, STD, 224)) == Stated(MEAN, STD, 96)
    assert Stated((0.5,) * 3, (0.5,) * 3).or_else(Stated(MEAN, STD, 224)) == Stated(
        (0.5,) * 3, (0.5,) * 3, 224
    )


@pytest.mark.parametrize(
    "wrap", [dict, lambda state: {"state_dict": state, "epoch": 3}, lambda state: {"model": state}]
)
def test_a_checkpoint_of_pytorch_is_read(tmp_path, wrap):
    path = tmp_path / "net.pth"
    torch.save(wrap(TENSORS), path)
    assert torch.equal(read_weights_file(str(path)).tensors["layer.weight"], TENSORS["layer.weight"])


class Runs:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def write_code(path):
    torch.save({"weight": Runs(path.with_name("it-ran"))}, path)


def write_half(path):
    whole = path.with_name(f"whole{path.suffix}")
    save_file(TENSORS, whole) if path.suffix == ".safetensors" else torch.save(TENSORS, whole)
    path.write_bytes(whole.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        (
            "none.safetensors",
            lambda path: None,
            "there is no such file; expected a file, .* downloads no weights",
        ),
        ("folder.pt", lambda path: path.mkdir(), "this is a folder"),
        (
            "net.h5",
            lambda path: path.write_bytes(b""),
            r"expected a file that ends in \.safetensors, \.pt, \.pth",
        ),
        ("empty.safetensors", lambda path: path.write_bytes(b""), r"not a complete \.safetensors file"),
        ("half.safetensors", write_half, r"not a complete \.safetensors file"),
        ("half.pt", write_half, r"not a complete \.pt file"),
        ("code.pt", write_code, r"not a complete \.pt file"),
        ("plain.pt", lambda path: path.write_bytes(pickle.dumps([1])), r"not a complete \.pt file"),
        ("list.pt", lambda path: torch.save([1], path), "it holds list, not a dict of tensors"),
        ("no.safetensors", lambda path: save_file({}, path), "the file has no tensors"),
        (
            "mean.safetensors",
            lambda path: save_file(TENSORS, path, metadata(mean=[1, 2], std=STD)),
            r"mean is \[1, 2\]; expected three numbers",
        ),
        (
            "std.safetensors",
            lambda path: save_file(TENSORS, path, metadata(mean=MEAN, std=[1, 1, 0])),
            r"std is \[1, 1, 0\]; expected finite numbers above 0",
        ),
        (
            "size.safetensors",
            lambda path: save_file(TENSORS, path, metadata(input_size=[3, 32, 64])),
            "images of 32 x 64 pixels are not square",
        ),
        ("json.safetensors", lambda path: save_file(TENSORS, path, {"mean": "half"}), "Expecting value"),
    ],
)
def test_what_is_no_file_of_weights_is_said(tmp_path, name, write, message):
    path = tmp_path / name
    write(path)
    with pytest.raises(BakeoffError, match=message) as caught:
        read_weights_file(str(path))
    assert name in str(caught.value)
    assert not (tmp_path / "it-ran").exists()


def test_a_file_sent_to_another_machine_is_read_by_its_name_here(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(TENSORS, path)
    sent, digest = collect_weights([str(path)]), weights_digest(str(path))
    path.unlink()
    make_readable(sent)
    assert torch.equal(read_weights_file(str(path)).tensors["layer.weight"], TENSORS["layer.weight"])
    assert weights_digest(str(path)) == digest
