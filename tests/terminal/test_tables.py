"""Tables on terminals of any width: the least telling columns go first, and no more than it takes."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from bakeoff.terminal.tables import fitting_table, result_table

HEADINGS = ("recipe", "accuracy", "s.d. seeds", "95 % interval", "verdict")
EXPENDABLE = ("s.d. seeds", "95 % interval")


def console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width)


def build(left_out) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        if heading not in left_out:
            table.add_column(heading, no_wrap=True)
    table.add_row(*(heading for heading in HEADINGS if heading not in left_out))
    return table


def headings(table: Table) -> list[str]:
    return [str(column.header) for column in table.columns]


@given(st.integers(20, 100))
def test_columns_go_in_order_and_only_where_all_do_not_fit(width):
    found = headings(fitting_table(build, EXPENDABLE, console(width)))
    stages = [HEADINGS, tuple(h for h in HEADINGS if h != "s.d. seeds"), ("recipe", "accuracy", "verdict")]
    # Words, with two blanks between them.
    widths = [len("  ".join(stage)) for stage in stages]
    fitting = [stage for stage, needed in zip(stages, widths, strict=True) if needed <= width]
    assert found == list([*fitting, stages[-1]][0])


def test_a_wider_terminal_never_shows_less():
    shown = [set(headings(fitting_table(build, EXPENDABLE, console(width)))) for width in range(20, 100)]
    assert all(narrow <= wide for narrow, wide in pairwise(shown))


def test_where_the_width_is_enough_all_columns_stay_though_they_do_not_fit():
    assert headings(fitting_table(build, EXPENDABLE, console(40), enough=40)) == list(HEADINGS)
    assert headings(fitting_table(build, EXPENDABLE, console(39), enough=40)) != list(HEADINGS)


@pytest.mark.parametrize("width", [40, 80])
def test_brackets_in_a_cell_are_no_markup_and_long_names_are_folded(width):
    screen = console(width)
    name = "[red]" + "x" * 100
    row = [name, "50.0 %", "1.0", "48.0 to 52.0", "better"]
    screen.print(result_table("Recipes", HEADINGS, [row], screen, expendable=EXPENDABLE))
    lines = screen.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    rows = lines[lines.index(next(line for line in lines if "[red]" in line)) :]
    assert "".join(line.split()[0] for line in rows if line.strip()) == name
    assert lines[0].strip() == "Recipes"


def test_where_folded_names_would_be_slivers_each_row_is_a_block_with_all_its_cells():
    screen = console(30)
    row = ["x" * 40, "50.0 %", "1.0", "48.0 to 52.0", "better"]
    screen.print(result_table("Recipes", HEADINGS, [row], screen, expendable=("s.d. seeds",)))
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert lines[2:4] == ["x" * 30, "x" * 10]
    assert lines[4:8] == [f"  {name}: {cell}" for name, cell in zip(HEADINGS[1:], row[1:], strict=True)]
