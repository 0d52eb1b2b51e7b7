"""Commands on study files: `bakeoff studies`, `show`."""

from __future__ import annotations

import sys

from bakeoff.cli.arguments import SetOption, StudyArgument
from bakeoff.text import ESCAPED, encodable


def studies() -> None:
    """List the built-in studies."""
    from rich.console import Console
    from rich.table import Table

    from bakeoff.study import builtin_studies

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, study in builtin_studies().items():
        table.add_row(name, study.description)
    Console().print(table)


def show(study: StudyArgument, set_: SetOption = None) -> None:
    """Print a study file with every default, to copy and edit."""
    from bakeoff.study import load_study, study_to_toml

    with encodable(sys.stdout, ESCAPED):
        print(study_to_toml(load_study(study, overrides=set_ or [])), end="", flush=True)
