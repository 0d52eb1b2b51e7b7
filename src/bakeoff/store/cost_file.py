"""costs.json: what a prediction of each recipe's models costs, measured when a study ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import TypeAdapter

from bakeoff.files import read_text, to_json
from bakeoff.store.checks import StoredCost
from bakeoff.store.layout import Layout
from bakeoff.store.manifest import write_recorded
from bakeoff.store.run_files import stored_identity


def save_costs(layout: Layout, costs: Mapping[str, StoredCost]) -> None:
    """Write the costs of the recipes, by name.

    Raises
    ------
    BakeoffError
        If the file cannot be written.
    """
    content = to_json({name: cost.model_dump() for name, cost in costs.items()})
    write_recorded({layout.costs: lambda file: file.write(content.encode())})


def load_costs(layout: Layout, recipes: Collection[str]) -> dict[str, StoredCost]:
    """Read the costs of these recipes, by name, without those of runs that are no longer in the folder.

    Empty in a folder of a version that did not measure them, or if the file is damaged.
    """
    try:
        costs = TypeAdapter(dict[str, StoredCost]).validate_json(read_text(layout.costs))
    except (OSError, ValueError, RecursionError):
        return {}
    return {
        name: cost
        for name, cost in costs.items()
        if name in recipes and stored_identity(layout, name, cost.seed) == ("finished", cost.identity)
    }
