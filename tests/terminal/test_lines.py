"""Sentences on the terminal: whole words, and in a log whole lines."""

import io

import pytest
from rich.console import Console

from bakeoff.terminal.lines import print_text


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_words_stay_whole_on_a_terminal_and_lines_in_a_log(width, is_terminal):
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)
    text = "note: [red] \x1b: images of " + "several sources, " * 12
    print_text(text, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width if is_terminal else len(lines) == 1
    assert " ".join(" ".join(lines).split()) == text.replace("\x1b", r"\x1b").strip()
