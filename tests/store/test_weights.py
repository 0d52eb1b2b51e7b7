"""Weights with what is needed to use them."""

import json

from safetensors import safe_open

from bakeoff.store import save_run


def test_weights_carry_what_is_needed_to_use_them(layout, study, data, run):
    save_run(layout, study, "lenet5", 0, "the identity", run, data)
    with safe_open(layout.weights("lenet5", 0), framework="pt") as file:
        metadata = json.loads(file.metadata()["bakeoff"])
        assert set(file.keys()) == set(run.weights)
    assert metadata["class_names"] == list(data.class_names)
    assert metadata["preprocessing"] == {
        "mean": list(data.mean), "std": list(data.std), "image_size": 32,
    }  # fmt: skip
