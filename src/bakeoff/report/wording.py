"""How the report writes numbers: shares as percent, times, counts, ranges."""

from __future__ import annotations

from collections.abc import Sequence

NOT_KNOWN = "–"


def percent(share: float | None, decimals: int = 1) -> str:
    """Write a share of 0..1 as a number of percent, without the sign."""
    return NOT_KNOWN if share is None else f"{100 * share:.{decimals}f}"


def number(value: float | None, decimals: int = 2) -> str:
    """Write a number with fixed decimals; small ones with as many digits that they do not become 0."""
    if value is None:
        return NOT_KNOWN
    if value != 0 and abs(value) < 10**-decimals:
        return f"{value:.{decimals}g}"
    return f"{value:.{decimals}f}"


def in_percent(share: float | None, decimals: int = 1) -> str:
    """Write a share of 0..1 with the percent sign, which stays on the line of its number."""
    return f"{percent(share, decimals)}\N{NO-BREAK SPACE}%"


def mean_count(value: float, num_seeds: int) -> str:
    """Write a count, with one decimal where it is a mean over seeds: "24.2", "1,200"."""
    return f"{value:,.1f}" if num_seeds > 1 else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Write a time in the units that a person would choose: "0.8 s", "42 s", "3 min 05 s", "2 h 10 min"."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def span(values: Sequence[int]) -> str:
    """Write the lowest and the highest of some whole numbers: "17", "17 to 31"."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def over_seeds(num_seeds: int) -> str:
    """Say what a mean is taken over: "mean over 5 seeds"; with one seed, "one seed"."""
    return "one seed" if num_seeds == 1 else f"mean over {num_seeds} seeds"
