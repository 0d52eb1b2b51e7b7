"""What differs between the runs of a recipe, and so what intervals over seeds allow for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.text import listed

if TYPE_CHECKING:
    from bakeoff.study import Recipe, Study

WORDS = {
    "weights": "initial weights",
    "order": "order of the training images",
    "augmentation": "augmentation",
    "layers": "random layers",
}

FOR_THESE_IMAGES = "The intervals hold for these training images."


def describe_luck(study: Study) -> str:
    """Name what differs between the runs of each recipe, and what does not."""
    by_sources: dict[str, list[str]] = {}
    for name, recipe in study.recipes.items():
        by_sources.setdefault(_sources(recipe), []).append(name)
    if len(by_sources) == 1:
        (text,) = by_sources
    else:
        text = "; ".join(f"{sources} ({listed(names)})" for sources, names in by_sources.items())
    return (
        f"What differs between the runs of a recipe: {text}. The training and validation images are the same "
        "for all."
    )


def _sources(recipe: Recipe) -> str:
    if recipe.trainer is not None:
        return "what the trainer draws from its seed"
    return listed([WORDS[source] for source in recipe.varied])
