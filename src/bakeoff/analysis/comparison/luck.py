"""What differs between the runs of a recipe, and so what intervals over seeds allow for."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from bakeoff.study.recipe import SOURCES
from bakeoff.study.settings.augmentation import AugmentationSettings
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
    groups = groupby(study.recipes, key=lambda name: _sources(study.recipes[name]))
    by_sources: dict[str, list[str]] = {}
    for sources, names in groups:
        by_sources.setdefault(sources, []).extend(names)
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
    vary: tuple[str, ...] = recipe.vary or tuple(source for source in SOURCES if _is_used(recipe, source))
    return listed([WORDS[source] for source in vary])


def _is_used(recipe: Recipe, source: str) -> bool:
    if source == "augmentation":
        return recipe.augmentation != AugmentationSettings()
    return source != "layers" or getattr(recipe.model, "dropout", 1) > 0  # unknown of a user's own model
