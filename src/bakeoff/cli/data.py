"""`bakeoff data info`, `check` and `fetch`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.cli.arguments import SetOption, SourceArgument
from bakeoff.cli.printing import EXIT_PROBLEMS, print_line
from bakeoff.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from bakeoff.data import ImageData
    from bakeoff.study import DataSettings


def info(source: SourceArgument, set_: SetOption = None) -> None:
    """Show the splits, images per class, sizes, mean and std of a data source."""
    from rich.console import Console

    from bakeoff.data import describe
    from bakeoff.terminal.study import print_data_info

    _, data = _load(source, set_)
    print_data_info(describe(data), Console())


def check(
    source: SourceArgument,
    list_: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="Write the images to remove, as CSV.")
    ] = None,
    set_: SetOption = None,
) -> None:
    """Check a data source for leaks between splits, duplicates and unusual images.

    Exits with 1 if there is a leak between splits, or an image with two labels.
    """
    from rich.console import Console

    from bakeoff.audit.auditing import audit_source, linked_images
    from bakeoff.audit.removals import REMOVAL_COLUMNS, list_removals, removals_csv
    from bakeoff.files import check_replaceable, to_csv, write_text
    from bakeoff.terminal.audit import print_audit

    if list_ is not None:
        check_replaceable(list_, to_csv(REMOVAL_COLUMNS, []), "list")
    settings, data = _load(source, set_)
    images = linked_images(data)
    audit = audit_source(settings, data, images)
    print_audit(audit, Console(), notes=data.notes)
    if list_ is not None:
        removals = list_removals(images)
        write_text(list_, removals_csv(removals))
        first = "; look at those that look alike before you remove any" if images.is_doubtful else ""
        print_line(f"{counted(len(removals), 'image')} to remove, with reasons: {list_}{first}")
    if audit.of("leak") or audit.of("conflict"):
        raise typer.Exit(EXIT_PROBLEMS)


def _load(source: str, overrides: list[str] | None) -> tuple[DataSettings, ImageData]:
    from rich.console import Console

    from bakeoff.data import load_data
    from bakeoff.study import load_data_settings
    from bakeoff.study.settings.data import NEAR_DUPLICATES
    from bakeoff.terminal.step import StepBar

    settings = load_data_settings(source, overrides or [])
    load: Callable[..., ImageData] = load_data
    if settings.groups == NEAR_DUPLICATES:
        from bakeoff.audit import load_grouped

        load = load_grouped
    with StepBar(Console()) as bar:
        return settings, load(settings, progress=bar.show)


def fetch(
    name: Annotated[str, typer.Argument(help="stl10")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Output folder.")],
) -> None:
    """Download a data set and verify it."""
    from rich.console import Console

    from bakeoff.data.download import fetch as fetch_data
    from bakeoff.terminal.step import StepBar

    with StepBar(Console()) as bar:
        fetched = fetch_data(name, directory, progress=bar.show)
    print_line(f"{name} is in {fetched}; use it with --data {shlex.quote(f'{name}:{fetched}')}")
