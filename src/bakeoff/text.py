"""Formatting of numbers, names and lists in messages, and of text from unknown sources."""

from __future__ import annotations

import codecs
import difflib
import io
import logging
import math
import shlex
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TypeGuard


def did_you_mean(word: str, valid: Sequence[str], cutoff: float = 0.6) -> str:
    """Suggest the valid word nearest to `word`: "; did you mean 'x'?", or "" where none is near.

    Parameters
    ----------
    word
        What was written.
    valid
        What could have been meant.
    cutoff
        The least similarity of a suggestion, 0..1, as in `difflib.get_close_matches`.
    """
    found = nearest(word, valid, cutoff)
    return f"; did you mean {found!r}?" if found else ""


def did_you_mean_path(path: Path, names: Sequence[str]) -> str:
    """Suggest the path beside a missing one with the nearest of `names`, as it is to be written."""
    found = nearest(path.name, names)
    return f"; did you mean {str(path.with_name(found))!r}?" if found else ""


def nearest(word: str, valid: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The valid word nearest to `word`; None where none is near."""
    return next(iter(difflib.get_close_matches(word, valid, n=1, cutoff=cutoff)), None)


def command(*words: object) -> str:
    """A command of Bakeoff as a shell takes it, to paste: names with spaces are quoted."""
    return shlex.join(["bakeoff", *map(str, words)])


def list_some(items: list[str], limit: int = 10) -> str:
    """Indent the first `limit` items, one per line, and count the rest."""
    lines = [f"  {item}" for item in items[:limit]]
    if len(items) > limit:
        lines.append(f"  ... and {len(items) - limit} more ({len(items)} in all)")
    return "\n".join(lines)


def shorten(value: object, limit: int = 200) -> str:
    """Return `repr(value)`, with the middle of a long one left out."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        return f"a very large {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 4 :]}"


def printable(text: str) -> str:
    """Escape the characters that a terminal acts on: control characters, line separators, text direction.

    Line feeds stay, because a message may have several lines.
    """
    return "".join(
        character if character == "\n" or _is_harmless(character) else _escape(character)
        for character in text
    )


def _is_harmless(character: str) -> bool:
    # Joiners (U+200C, U+200D) belong to the spelling of names in several scripts.
    return (
        unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in "\u200c\u200d"
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


IN_ASCII = {"±": "+/-", "–": "-", "…": "...", "\N{NO-BREAK SPACE}": " "}
"""Signs in the output of commands, for terminals and files whose encoding lacks them."""


def _in_ascii(signs: Mapping[str, str], error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(signs.get(character) or _number_escape(character) for character in text), error.end


def _number_escape(character: str) -> str:
    """The escape of a character in TOML and JSON."""
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


LEGIBLE, ESCAPED = "bakeoff.legible", "bakeoff.escaped"
"""Error handlers for text that an encoding lacks: with the signs in ASCII, or all as escapes."""
codecs.register_error(LEGIBLE, partial(_in_ascii, IN_ASCII))
codecs.register_error(ESCAPED, partial(_in_ascii, {}))


@contextmanager
def encodable(stream: IO[str] | None, errors: str = LEGIBLE) -> Iterator[None]:
    """Let a stream replace what its encoding lacks, such as ASCII or cp1252, instead of raising an error."""
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors=errors)
    try:
        yield
    finally:
        stream.reconfigure(errors=before)


def quiet_libraries() -> None:
    """Leave out what libraries report each time in odd surroundings, though nothing is lost by it."""
    # matplotlib, where it cannot write to a home folder and works in a temporary one.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # joblib, where /dev/shm cannot be written: nothing here uses its processes.
    warnings.filterwarnings("ignore", message=".*joblib will operate in serial mode", category=UserWarning)


@contextmanager
def ignoring_missing_glyphs() -> Iterator[None]:
    """Ignore the warnings of matplotlib, whose font lacks most scripts, while it draws names of classes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font|Matplotlib currently does not support")
        yield


def points(share: float) -> str:
    """Write a share of 0..1 in percentage points with one decimal, never "-0.0"."""
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text


def interval_points(interval: tuple[float, float]) -> str:
    """Write the two ends of an interval in percentage points: "1.6 to 3.8"."""
    return f"{points(interval[0])} to {points(interval[1])}"


def counted(number: int, noun: str) -> str:
    """Write "1 seed", "2 seeds", "10,000 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: list[str]) -> str:
    """Write "A", "A and B", "A, B and C"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


NOT_KNOWN = "–"


def known(value: float | None) -> TypeGuard[float]:
    """Whether a number is there: not None, not NaN, not infinite."""
    return value is not None and math.isfinite(value)


def percent(share: float | None, decimals: int = 1) -> str:
    """Write a share of 0..1 in percent, without the percent sign."""
    return f"{100 * share:.{decimals}f}" if known(share) else NOT_KNOWN


def number(value: float | None, decimals: int = 2) -> str:
    """Write a number with fixed decimals; a small one with enough digits not to become 0."""
    if not known(value):
        return NOT_KNOWN
    if value != 0 and abs(value) < 10**-decimals:
        return f"{value:.{decimals}g}"
    return f"{value:.{decimals}f}"


def in_percent(share: float | None, decimals: int = 1) -> str:
    """Write a share of 0..1 in percent, with a no-break space before the percent sign."""
    return f"{percent(share, decimals)}\N{NO-BREAK SPACE}%"


def whole(value: int | None) -> str:
    """Write a count for a table: "61,706"; a dash where it is not known."""
    return NOT_KNOWN if value is None else f"{value:,}"


def p_value(value: float) -> str:
    """Write a p-value for a table: "0.116", "<0.001"."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def mean_count(value: float, num_seeds: int) -> str:
    """Write a count, with one decimal where it is a mean over seeds: "24.2", "1,200"."""
    return f"{value:,.1f}" if num_seeds > 1 else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Write a time in readable units: "0.8 s", "42 s", "3 min 05 s", "2 h 10 min"; an int as whole."""
    if seconds is None:
        return NOT_KNOWN
    if isinstance(seconds, float) and seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def span(values: Sequence[int]) -> str:
    """Write the range of some integers: "17", "17 to 31"."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def over_seeds(num_seeds: int) -> str:
    """Name what a mean is taken over: "mean over 5 seeds", or "one seed"."""
    return "one seed" if num_seeds == 1 else f"mean over {num_seeds} seeds"
