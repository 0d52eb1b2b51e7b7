"""Commands on study files: `bakeoff studies`, `show`, `schema`."""

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
    from bakeoff.study.schema import SCHEMA_HEADER

    text = study_to_toml(load_study(study, overrides=set_ or []))
    with encodable(sys.stdout, ESCAPED):
        print(SCHEMA_HEADER + text, end="", flush=True)


def schema() -> None:
    """Print the JSON Schema of study files, by which editors complete and check them."""
    from bakeoff.files import to_json
    from bakeoff.study.schema import study_schema

    with encodable(sys.stdout, ESCAPED):  # as JSON escapes
        print(to_json(study_schema()), end="", flush=True)
