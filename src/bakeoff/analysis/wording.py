"""How numbers of a comparison are written in sentences: shares as points or percent, one decimal."""

from __future__ import annotations


def points(share: float) -> str:
    """Write a share in points with one decimal, never "-0.0"."""
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text


def interval_points(interval: tuple[float, float]) -> str:
    """Write the two ends of an interval in points or percent: "1.6 to 3.8"."""
    return f"{points(interval[0])} to {points(interval[1])}"


def counted(number: int, noun: str) -> str:
    """Write "1 seed", "2 seeds", "10,000 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: list[str]) -> str:
    """Write "A", "A and B", "A, B and C"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
