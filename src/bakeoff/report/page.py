"""The page: templates rendered to one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from bakeoff import templates
from bakeoff.analysis.comparison.conclusion import describe_replication
from bakeoff.analysis.comparison.result import RecipeResult
from bakeoff.analysis.summary.recipes import FinishedRecipe, RecipeSummary
from bakeoff.text import (
    NOT_KNOWN,
    counted,
    duration,
    in_percent,
    listed,
    mean_count,
    number,
    over_seeds,
    p_value,
    percent,
    points,
    span,
    whole,
)


def render(template: str, **variables: Any) -> str:
    """Render a template of `report/templates`; all text is escaped.

    Parameters
    ----------
    template
        File; a complete page extends `base.html.j2` and needs a `title`.
    variables
        Variables of the template.
    """
    filters: dict[str, Callable[..., Any]] = {
        "percent": percent,
        "number": number,
        "in_percent": in_percent,
        "mean_count": mean_count,
        "duration": duration,
        "span": span,
        "over_seeds": over_seeds,
        "counted": counted,
        "listed": listed,
        "points": points,
        "p_value": p_value,
        "whole": whole,
        "in_scrollers": _in_scrollers,
        "breakable": _breakable,
        "without_folders": without_folders,
        "replicated": _replicated,
    }
    return templates.render("bakeoff.report", template, variables, filters, is_html=True)


def script(name: str) -> tuple[str, str]:
    """Return a script of `report/templates` and the CSP source expression that allows only this script."""
    text = (resources.files("bakeoff.report") / "templates" / name).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return text, f"'sha256-{digest}'"


def _breakable(name: str) -> Any:
    """A name that may be broken after a sign between its words, and only there."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"(?<=\w)([_./:-]+)(?=\w)", r"\1<wbr>", str(escape(name))))


_START = r"(?:~|[A-Za-z]:)?[/\\]"
_FOLDERS = re.compile(rf"""(?<![\w./]){_START}(?:[^\s/\\"'<>|]+[/\\])+(?=[^\s/\\"'<>|])""")
_QUOTED_FOLDERS = re.compile(rf"""(?<=["'])((?:\w+:)?){_START}[^"'\n]*[/\\](?=[^"'/\\\n]+["'])""")


def without_folders(text: str) -> str:
    """Shorten each absolute path in a text to its last part: a page that is passed on names no one's disk.

    A path with spaces is found between quotation marks only.
    """
    return _FOLDERS.sub("", _QUOTED_FOLDERS.sub(r"\1", text))


def _replicated(recipe: RecipeResult) -> str:
    return describe_replication(recipe.name, recipe.replication) if recipe.replication else ""


def _in_scrollers(markup: Any) -> Any:
    """Put each table into a box that scrolls on a narrow screen, also by keyboard."""
    from markupsafe import Markup

    numbers = itertools.count(1)

    def box(table: re.Match[str]) -> str:
        name = f"table-{next(numbers)}"
        inside = table[0].replace("<caption", f'<caption id="{name}"', 1)
        return f'<div class="scroller" role="region" aria-labelledby="{name}" tabindex="0">{inside}</div>'

    return Markup(re.sub(r"<table\b.*?</table>", box, str(markup), flags=re.DOTALL))


class SettingRow(NamedTuple):
    """A setting, its value in each recipe as text, and whether they differ."""

    key: str
    values: list[str]
    differs: bool


def settings_side_by_side(recipes: Sequence[RecipeSummary]) -> list[SettingRow]:
    """One row per setting."""
    rows = []
    for key in dict.fromkeys(key for recipe in recipes for key in recipe.settings):
        values = [_setting_text(recipe.settings.get(key)) for recipe in recipes]
        rows.append(SettingRow(key, values, len(set(values)) > 1))
    return rows


def _setting_text(value: Any) -> str:
    if value is None:
        return NOT_KNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_setting_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


class PublishedLossRow(NamedTuple):
    """A published training loss, and ours at the same epoch: mean, lowest and highest over seeds."""

    recipe: str
    epoch: int
    published: float
    mean: float
    low: float
    high: float


def published_losses(recipes: Sequence[FinishedRecipe]) -> list[PublishedLossRow]:
    """One row for each recipe and epoch with both losses."""
    rows = []
    for recipe in recipes:
        epochs, losses = recipe.results.curves.epoch, recipe.results.curves.train_loss
        for epoch, published in recipe.published.losses if recipe.published else ():
            if epoch in epochs:
                place = epochs.index(epoch)
                ours = losses.per_seed[:, place]
                ours = ours[~np.isnan(ours)]
                row = PublishedLossRow(
                    recipe.name, epoch, published, losses.mean[place], ours.min(), ours.max()
                )
                rows.append(row)
    return rows
