"""A comparison on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff.analysis.comparison.conclusion import describe_replication
from bakeoff.analysis.comparison.result import Comparison, PairResult
from bakeoff.terminal.tables import result_table
from bakeoff.text import counted, interval_points, points, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


_MOST_ROWS = 15
"""The number of pairs printed; the report and comparison.json have all."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print recipes, pairs, how many seeds would settle them, replication and the conclusion.

    Readable at 80 columns; on a narrower terminal columns are omitted rather than names broken.
    """
    from rich.text import Text

    percent = f"{100 * comparison.confidence:g} % interval"
    console.print(_recipe_table(comparison, percent, console))
    if comparison.pairs:
        clearest = sorted(comparison.pairs, key=lambda pair: pair.p_holm)[:_MOST_ROWS]
        pairs = [pair for pair in comparison.pairs if pair in clearest]
        console.print(_pair_table(pairs, comparison, percent, console))
        if len(pairs) < len(comparison.pairs):
            console.print(
                f"The {len(pairs)} pairs with the smallest p-values of {len(comparison.pairs)} are shown.\n"
            )
        undecided = [pair for pair in pairs if pair.what_it_takes]
        if undecided and len(pairs) <= 3:
            console.print("How many more seeds or images would settle it:")
            for pair in undecided:
                text = f"- {pair.b} against {pair.a}: {pair.what_it_takes}"
                console.print(Text(printable(text)), soft_wrap=False)
    for recipe in comparison.recipes:
        if recipe.replication is not None:
            console.print(Text(printable(describe_replication(recipe.name, recipe.replication))))
    for note in comparison.notes:
        console.print(Text(printable(note), style="yellow"))
    console.print(Text(printable(f"\n{comparison.conclusion}\n"), style="bold"))


def _recipe_table(comparison: Comparison, percent: str, console: Console) -> Table:
    rows = [
        (
            printable(recipe.name),
            str(recipe.num_seeds),
            points(recipe.accuracy),
            interval_points(recipe.interval),
            "–" if recipe.seed_std is None else f"{100 * recipe.seed_std:.2f}",
        )
        for recipe in comparison.recipes
    ]
    headings = ("recipe", "seeds", "accuracy", percent, "std (seeds)")
    title = f"Accuracy on {counted(comparison.num_images, 'test image')}, %"
    return result_table(title, headings, rows, console, expendable=("std (seeds)", "seeds"))


def _pair_table(pairs: Sequence[PairResult], comparison: Comparison, percent: str, console: Console) -> Table:
    from rich.text import Text

    styles = {"better": "green", "worse": "red", "equivalent": "blue", "undecided": "dim"}
    rows = [
        (
            printable(f"{pair.b}\nagainst {pair.a}"),
            f"{points(pair.difference)} ({interval_points(pair.interval)})",
            "<0.001" if pair.p_holm < 0.001 else f"{pair.p_holm:.3f}",
            Text(pair.verdict, style=styles[pair.verdict]),
            f"{pair.fixed:.0f}/{pair.broken:.0f}",
        )
        for pair in pairs
    ]
    headings = ("pair", f"difference\n({percent})", "p\n(Holm)", "verdict", "fixed/\nbroken")
    title = f"Differences in percentage points; margin ±{points(comparison.margin)}"
    return result_table(title, headings, rows, console, expendable=("fixed/\nbroken", "p\n(Holm)"))
