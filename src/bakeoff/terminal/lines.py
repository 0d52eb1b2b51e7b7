"""print_text(): sentences on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from bakeoff.text import printable


def print_text(text: str, console: Console, style: str = "") -> None:
    """Print a text whose names may contain anything: between words onto the next line of a terminal.

    Where there is no terminal, as in a log, it stays on one line.
    """
    console.print(Text(printable(text), style=style), soft_wrap=not console.is_terminal)


def legible(text: str) -> str:
    """Escape control characters and line ends."""
    return printable(text).replace("\n", "\\n")
