"""Tables on terminals of any width: the least telling columns go first, and no more than it takes."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from bakeoff.terminal.tables import fitting_table, result_table, short_names

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


@pytest.mark.parametrize("width", [50, 80])
def test_brackets_in_a_cell_are_no_markup_and_long_names_are_shortened_on_their_line(width):
    screen = console(width)
    names = [f"[red]{'x' * 100}{end}" for end in ("end", "tail")]
    rows = [[name, "50.0 %", "1.0", "48.0 to 52.0", "better"] for name in names]
    screen.print(result_table("Recipes", HEADINGS, rows, screen, expendable=EXPENDABLE))
    lines = [line for line in screen.file.getvalue().splitlines() if line.strip()]
    assert max(map(len, lines)) <= width
    assert lines[0].strip() == "Recipes"
    assert len(lines) == 5  # title, headings, rule, two rows
    for line, end in zip(lines[3:], ("end", "tail"), strict=True):
        shown = line.split()[0]
        assert shown.startswith("[red")
        assert shown.endswith(end)
        assert "…" in shown


def test_each_line_of_a_cell_is_shortened():
    screen = console(60)
    row = [f"{'a' * 40}\nagainst {'b' * 40}", "50.0 %", "1.0", "48.0 to 52.0", "better"]
    screen.print(result_table("Pairs", HEADINGS, [row], screen, expendable=EXPENDABLE))
    first, second = [line.split() for line in screen.file.getvalue().splitlines() if "…" in line]
    assert (first[0][0], first[0][-1], first[-1]) == ("a", "a", "better")
    assert second[-1].endswith("bbb")


def test_where_too_little_is_left_for_names_each_row_is_a_block_with_all_its_cells():
    screen = console(30)
    row = ["x" * 40, "50.0 %", "1.0", "48.0 to 52.0", "better"]
    screen.print(result_table("Recipes", HEADINGS, [row], screen, expendable=("s.d. seeds",)))
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert lines[2] == f"{'x' * 9}…{'x' * 20}"
    assert lines[3:7] == [f"  {name}: {cell}" for name, cell in zip(HEADINGS[1:], row[1:], strict=True)]


def test_names_that_differ_stay_different():
    assert short_names(["resnet_crop_flip", "resnet_crop_only"], 12) == ["res…rop_flip", "res…rop_only"]
    # The ends are the same: more of the beginning stays.
    assert short_names(["decay_1_with_crop", "decay_2_with_crop"], 12) == ["decay_1…crop", "decay_2…crop"]
    # Nothing but the middle differs.
    names = [f"{'a' * 20}{middle}{'b' * 20}" for middle in "xyz"]
    assert short_names(names, 12) == ["aaa…bbbbbb~1", "aaa…bbbbbb~2", "aaa…bbbbbb~3"]


@given(st.lists(st.text("ab_", min_size=1, max_size=30), unique=True, max_size=20), st.integers(12, 40))
def test_short_names_fit_and_are_as_many(names, longest):
    short = short_names(names, longest)
    assert all(len(name) <= longest for name in short)
    assert len({*short}) == len(names)
    assert all(one == name for one, name in zip(short, names, strict=True) if len(name) <= longest)
