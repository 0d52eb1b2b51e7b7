"""Tables on the terminal: on a narrow one, columns are omitted so that the others fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from itertools import compress
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
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
        A terminal of this width shows all columns, and names are shortened if they do not fit.
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


LEAST_FOR_NAMES = 12
"""If names would be shortened to less, each row becomes a block of lines."""


def result_table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    console: Console,
    *,
    expendable: Sequence[str] = (),
    enough: int | None = 80,
    boxed: bool = True,
) -> RenderableType:
    """Build a table that begins with names; below `enough` columns, expendable ones are omitted as needed.

    Long names are shortened in the middle, so that each stays on its line. Where too little room is left for
    them, there is a block of lines for each row, with all of its cells.
    """
    from rich import box
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    def build(omitted: Set[str]) -> Table:
        included = [heading not in omitted for heading in headings]
        if boxed:
            table = Table(box=box.SIMPLE, title=title, title_justify="left")
        else:
            table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(headings[0], no_wrap=True)
        for heading in [*compress(headings, included)][1:]:
            justify: Literal["left", "right"] = "left" if heading in LEFT else "right"
            table.add_column(heading, justify=justify, no_wrap=True)
        for row in rows:
            # Text: brackets in a name are not markup.
            table.add_row(
                *(Text(cell) if isinstance(cell, str) else cell for cell in compress(row, included))
            )
        return table

    table = fitting_table(build, expendable, console, enough=enough)
    names = [line for row in rows for line in str(row[0]).splitlines()]
    longest = max(map(len, names), default=0)
    unlimited = console.options.update(width=10_000)
    num_others = Measurement.get(console, unlimited, table).maximum - max(longest, len(headings[0]))
    room = console.width - num_others
    if room < min(longest, LEAST_FOR_NAMES):
        return _blocks(title, headings, _with_short_names(rows, console.width))
    if room < longest:
        rows = _with_short_names(rows, room)
        table = fitting_table(build, expendable, console, enough=enough)
    return table


def _with_short_names(
    rows: Sequence[Sequence[str | Text]], longest: int
) -> list[tuple[str | Text, *tuple[str | Text, ...]]]:
    """The rows with the lines of their first cells shortened, those that differ still different."""
    from rich.text import Text

    names = list(dict.fromkeys(line for row in rows for line in str(row[0]).splitlines()))
    short = dict(zip(names, short_names(names, longest), strict=True))
    shown: list[tuple[str | Text, *tuple[str | Text, ...]]] = []
    for first, *cells in rows:
        text = "\n".join(short[line] for line in str(first).splitlines())
        shown.append((Text(text, style=first.style) if isinstance(first, Text) else text, *cells))
    return shown


LEFT = ("verdict", "state")
"""Columns of words, which begin at the left."""


def _blocks(title: str, headings: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    lines: list[RenderableType] = [Text(f"{title}\n", style="italic")] if title else []
    for name, *cells in rows:
        lines.append(Text(name) if isinstance(name, str) else name)
        for heading, cell in zip(headings[1:], cells, strict=True):
            text = Text.assemble(heading.replace("/\n", "/").replace("\n", " "), ": ", cell)
            lines.append(Padding(text, (0, 0, 0, 2)))
    return Group(*lines, Text())


def short_names(names: Sequence[str], longest: int) -> list[str]:
    """Shorten names in the middle to so many characters, at a place where no two look the same.

    Where there is none, such names end with a number.
    """
    usual = (longest - 1) // 3
    for head in (*range(usual, longest), *range(usual - 1, -1, -1)):
        short = [shortened(name, longest, head) for name in names]
        if len({*short}) == len({*names}):
            return short
    number = {name: str(place) for place, name in enumerate(dict.fromkeys(names), start=1)}
    return [
        name
        if len(name) <= longest
        else shortened(name, longest - len(number[name]) - 1) + f"~{number[name]}"
        for name in names
    ]


def shortened(text: str, longest: int, head: int | None = None) -> str:
    """Shorten a long text in the middle; `head`: how many characters of its beginning stay."""
    if len(text) <= longest:
        return text
    head = (longest - 1) // 3 if head is None else head
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"
