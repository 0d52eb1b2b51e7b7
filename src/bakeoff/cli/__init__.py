"""The command line: each command calls one public function. Options, printing, exit codes."""

from bakeoff.cli.app import app
from bakeoff.cli.arguments import SOURCES
from bakeoff.cli.entry_point import main

__all__ = ["SOURCES", "app", "main"]
