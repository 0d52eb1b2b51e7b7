"""Fonts for names in any script: those that this machine has.

The page shows text with the reader's fonts; a PNG has only those of the machine that draws it, which also
measure how wide a text is.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = "DejaVu Sans"
"""Matplotlib's own font: Latin, Greek, Cyrillic, Arabic, Hebrew and more."""

LAST_RESORT = "Last Resort High-Efficiency"
"""Matplotlib's font with a box for every character, which shows its script."""


def use_fonts(figure: Figure) -> None:
    """Give each text of a figure the fonts that have its characters, or else show that they are missing."""
    from matplotlib.text import Text

    for axes in figure.axes:  # the texts of ticks are made when they are asked for
        axes.get_xticklabels()
        axes.get_yticklabels()
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        families = families_for(text.get_text())
        if len(families) > 1:
            text.set_fontfamily(families)


def families_for(text: str) -> list[str]:
    """The font families to draw a text with: the first one, and others for the characters that it lacks."""
    families, lacking = _choose(_lacking(text))
    return [FIRST, *families, *([LAST_RESORT] if lacking and LAST_RESORT in _fonts() else [])]


def characters_without_font(text: str) -> str:
    """The characters of a text that no font of this machine has, each once, in their order."""
    lacking = _choose(_lacking(text))[1]
    return "".join(character for character in dict.fromkeys(text) if character in lacking)


def _lacking(text: str) -> frozenset[str]:
    """The characters that are drawn and that the first font lacks."""
    if text.isascii():
        return frozenset()
    first = _characters(_fonts()[FIRST])
    return frozenset(c for c in text if not c.isspace() and c.isprintable() and ord(c) not in first)


@cache
def _choose(characters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """As few families as have these characters, and the characters that none has."""
    families: list[str] = []
    left = characters
    candidates = sorted(_fonts().keys() - {FIRST, LAST_RESORT}) if left else []
    while left:
        had = {name: {c for c in left if ord(c) in _characters(_fonts()[name])} for name in candidates}
        best = max(candidates, key=lambda name: len(had[name]), default="")
        if not best or not had[best]:
            break
        families.append(best)
        left -= had[best]
    return tuple(families), left


@cache
def _fonts() -> dict[str, str]:
    """The upright fonts of normal weight that matplotlib finds, by family."""
    from matplotlib.font_manager import fontManager

    upright = [
        (entry.name, entry.fname)
        for entry in fontManager.ttflist
        if entry.style == "normal" and entry.weight in (400, "normal")
    ]
    return dict(sorted(upright, reverse=True))


@cache
def _characters(path: str) -> frozenset[int]:
    """The characters that a font has; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError, NotImplementedError):
        return frozenset()
