"""Commands on study files: `bakeoff studies`, `show`, `schema`, `init`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli.arguments import SetOption, StudyArgument
from bakeoff.cli.printing import print_line
from bakeoff.errors import BakeoffError
from bakeoff.text import ESCAPED, command, encodable

MOST_CHECKED = 5_000
"""Up to so many images, which takes a few seconds, `init` checks them."""


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


def init(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A folder of images, or a table of them; default: the one in this folder."
        ),
    ] = Path(),
) -> None:
    """Write a study file for your images, with two recipes and comments."""
    from bakeoff.draft import draft_study
    from bakeoff.files import to_json, write_new_text, write_text
    from bakeoff.study.schema import SCHEMA_FILE, study_schema

    draft = draft_study(directory)
    file = Path(f"{draft.name}.toml")
    write_new_text(file, draft.text)
    written = [str(file)]
    if not Path(SCHEMA_FILE).exists():
        write_text(Path(SCHEMA_FILE), to_json(study_schema()))
        written.append(f"{SCHEMA_FILE} (by which editors complete and check study files)")
    print_line(f"written: {', '.join(written)}")
    first = ""
    if draft.num_images <= MOST_CHECKED:
        try:
            if problems := _problems(str(file)):
                print_line(f"{problems}; see {command('data', 'check', draft.source)}")
        except BakeoffError as error:  # such as images that cannot be decoded
            print_line(str(error))
            first = "solve this, then "
    print_line(f"next: {first}{command('run', file)}")


def _problems(file: str) -> str:
    """What the data check finds in the images of a study, in one line; "" if nothing but notes."""
    from bakeoff.audit.auditing import audit_source
    from bakeoff.data import load_data
    from bakeoff.study import load_study
    from bakeoff.terminal.audit import total

    settings = load_study(file).data
    audit = audit_source(settings, load_data(settings))
    return "" if audit.is_clean else total(audit)
