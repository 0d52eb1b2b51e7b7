"""costs.json: what was written is read, without what is damaged or of other runs."""

import json

import pytest

from bakeoff.store import StoredCost, load_costs, save_costs, save_run


@pytest.fixture
def costs(layout, study, run, data):
    save_run(layout, study, "lenet5", 0, "of this run", run, data)
    return {
        "lenet5": StoredCost(
            seed=0,
            identity="of this run",
            multiply_accumulates=651_720,
            milliseconds_per_image=0.01,
            batch_size=32,
            device="cpu",
            processor="some",
        )
    }


def test_costs_are_read_as_they_were_written(layout, costs):
    save_costs(layout, costs)
    assert load_costs(layout, ["lenet5", "other"]) == costs
    assert "costs.json" in json.loads((layout.root / "files.json").read_text())


def test_costs_of_other_recipes_and_other_runs_are_left_out(layout, costs):
    save_costs(layout, costs)
    assert load_costs(layout, ["other"]) == {}
    save_costs(layout, {"lenet5": costs["lenet5"].model_copy(update={"identity": "of another run"})})
    assert load_costs(layout, ["lenet5"]) == {}


def test_without_the_file_or_with_a_damaged_one_there_are_none(layout, costs):
    assert load_costs(layout, ["lenet5"]) == {}
    save_costs(layout, costs)
    for damaged in ("", "[]", '{"lenet5": {}}', layout.costs.read_text().replace("0.01", "-1.0")):
        layout.costs.write_text(damaged)
        assert load_costs(layout, ["lenet5"]) == {}
