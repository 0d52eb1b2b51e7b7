"""Tables on the terminal: on a narrow one, columns are omitted so that the others fit."""

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
    """Build a table with as many columns as fit on the terminal.

    Parameters
    ----------
    build
        Builds the table without the given columns.
    expendable
        Columns that may be omitted, the least important first.
    console
        The terminal.
    enough
        A terminal of this width shows all columns, and names are wrapped if they do not fit.
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
    enough: int | None = 80,
) -> Table:
    """Build a table that begins with names; below `enough` columns, expendable ones are omitted as needed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    def build(omitted: Set[str]) -> Table:
        included = [heading not in omitted for heading in headings]
        table = Table(box=box.SIMPLE, title=title, title_justify="left")
        table.add_column(headings[0], overflow="fold")
        for heading in [*compress(headings, included)][1:]:
            justify: Literal["left", "right"] = "left" if heading == "verdict" else "right"
            table.add_column(heading, justify=justify, no_wrap=True)
        for row in rows:
            # Text: brackets in a name are not markup.
            table.add_row(
                *(Text(cell) if isinstance(cell, str) else cell for cell in compress(row, included))
            )
        return table

    return fitting_table(build, expendable, console, enough=enough)
