"""Tables on the terminal: columns are left out where it is narrow, so that what is shown stays whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from itertools import compress
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def fitting_table(
    build: Callable[[Set[str]], Table],
    expendable: Sequence[str],
    console: Console,
    *,
    enough: int | None = None,
) -> Table:
    """A table with as many of its columns as the terminal has room for.

    Parameters
    ----------
    build
        Gives the table without the columns it is told.
    expendable
        Columns that may be left out, the least telling first.
    console
        Where it will be shown.
    enough
        A terminal of this width shows all columns, and names are wrapped where they do not fit.
    """
    from rich.measure import Measurement

    unlimited = console.options.update(width=10_000)
    table = build(frozenset())
    for number in range(1, len(expendable) + 1):
        fits = Measurement.get(console, unlimited, table).maximum <= console.width
        if fits or (enough is not None and console.width >= enough):
            break
        table = build(frozenset(expendable[:number]))
    return table


def result_table(
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
