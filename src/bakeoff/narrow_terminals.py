"""Tables on narrow terminals: columns are left out, so that what is shown stays whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


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
