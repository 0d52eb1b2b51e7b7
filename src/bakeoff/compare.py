"""Comparing predictions that are in files: what `bakeoff compare` does, and how a comparison is shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence, Set
from functools import partial
from itertools import compress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.conclusion import say_replication
from bakeoff.analysis.comparison.result import Comparison, PairResult
from bakeoff.errors import BakeoffError
from bakeoff.narrow_terminals import fitting_table
from bakeoff.prediction_files import read_predictions
from bakeoff.text import counted, interval_points, points, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_MOST_ROWS = 15
"""Pairs shown on the screen; the report and comparison.json have all."""


def compare_files(
    paths: Sequence[Path],
    baseline: str | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
) -> Comparison:
    """Compare recipes whose predictions are in files: `read_predictions`, then `compare`.

    Of a study folder whose seeds were added until decided, a note says that its looks are not allowed for.

    Raises
    ------
    BakeoffError
        See both.
    """
    found = compare(read_predictions(paths), baseline=baseline, margin=margin, confidence=confidence)
    return dataclasses.replace(found, notes=(*found.notes, *_notes_on_looks(paths)))


def _notes_on_looks(paths: Sequence[Path]) -> list[str]:
    from bakeoff.store.layout import Layout
    from bakeoff.store.stored_study import read_study

    notes = []
    for path in paths:
        if not Layout(path).study.is_file():
            continue
        try:
            until = read_study(Layout(path)).until
        except BakeoffError:  # predictions are enough for a comparison
            continue
        if until == "decided":
            notes.append(
                f"{path}: seeds were added until decided. The intervals here do not allow for the looks at "
                "the results on the way; those of `bakeoff report` do."
            )
    return notes


def write_comparison_report(comparison: Comparison, directory: Path) -> Path:
    """Write index.html (self-contained), figures/*.svg and *.png, tables/*.csv and comparison.json.

    Parameters
    ----------
    comparison
        The result.
    directory
        Made where it is missing; files of the same names are replaced.

    Returns
    -------
    Path
        Of index.html.

    Raises
    ------
    BakeoffError
        The folder cannot be written.
    """
    from bakeoff.files import to_json, write_atomically, write_text
    from bakeoff.report.comparison_figures import comparison_figures
    from bakeoff.report.comparison_tables import comparison_tables
    from bakeoff.report.page import render

    content = comparison.to_dict()
    figures = comparison_figures(content)
    page = render(
        "comparison_page.html.j2", title="Comparison", comparison=content, comparison_figures=figures
    )
    for name, figure in figures.items():
        write_text(directory / "figures" / f"{name}.svg", figure.svg)
        write_atomically(directory / "figures" / f"{name}.png", partial(_write, figure.png))
    for name, table in comparison_tables(content).items():
        write_text(directory / "tables" / f"{name}.csv", table)
    write_text(directory / "comparison.json", to_json(content))
    write_text(directory / "index.html", page)
    return directory / "index.html"


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print recipes, pairs, what it would take, replication and the conclusion.

    Legible at 80 columns; on a narrower terminal columns are left out rather than names cut up.
    """
    from rich.text import Text

    percent = f"{100 * comparison.confidence:g} % interval"
    console.print(_recipe_table(comparison, percent, console))
    if comparison.pairs:
        shown = sorted(comparison.pairs, key=lambda pair: pair.p_holm)[:_MOST_ROWS]
        shown = [pair for pair in comparison.pairs if pair in shown]
        console.print(_pair_table(shown, comparison, percent, console))
        if len(shown) < len(comparison.pairs):
            console.print(f"The {len(shown)} clearest of {len(comparison.pairs)} pairs are shown.\n")
        for pair in shown if len(shown) <= 3 else []:
            console.print(
                Text(printable(f"{pair.b} against {pair.a}: {pair.what_it_takes}")), soft_wrap=False
            )
    for recipe in comparison.recipes:
        if recipe.replication is not None:
            console.print(Text(printable(say_replication(recipe.name, recipe.replication))))
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
    headings = ("recipe", "seeds", "accuracy", percent, "s.d. seeds")
    title = f"Accuracy on {counted(comparison.num_images, 'test image')}, %"
    return _fitting_table(title, headings, rows, console, expendable=("s.d. seeds", "seeds"))


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
    title = f"Differences in points; margin ±{points(comparison.margin)}"
    return _fitting_table(title, headings, rows, console, expendable=("fixed/\nbroken", "p\n(Holm)"))


def _fitting_table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    console: Console,
    *,
    expendable: Sequence[str],
) -> Table:
    """A table that begins with names; below 80 columns it lacks as many expendable ones as it takes."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def build(left_out: Set[str]) -> Table:
        kept = [heading not in left_out for heading in headings]
        table = Table(box=box.SIMPLE, title=title, title_justify="left")
        table.add_column(headings[0], overflow="fold")
        for heading in [*compress(headings, kept)][1:]:
            justify: Literal["left", "right"] = "left" if heading == "verdict" else "right"
            table.add_column(heading, justify=justify, no_wrap=True)
        for row in rows:
            # Text: brackets in a name are no markup.
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in compress(row, kept)))
        return table

    return fitting_table(build, expendable, console, enough=80)
