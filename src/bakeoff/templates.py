"""render(): a text from a template; names in it come from users, and are escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bakeoff.text import known, printable


def render(
    package: str,
    template: str,
    variables: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]],
    *,
    is_html: bool = False,
) -> str:
    """Render a template in the folder `templates` of a package.

    Parameters
    ----------
    package
        Such as "bakeoff.report".
    template
        The file's name.
    variables, filters
        What it uses; a variable that it lacks is an error.
    is_html
        Whether all text is escaped as in HTML; otherwise names go through a filter.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=is_html,
        keep_trailing_newline=not is_html,
    )
    environment.filters |= filters
    environment.tests["known"] = known
    return environment.get_template(template).render(variables)


def one_line(value: object) -> str:
    """A text without line breaks, and with escapes for what controls a terminal."""
    return printable(re.sub(r"[\n\r\t]+", " ", str(value)))


def markdown(value: object) -> str:
    """Escape a text for Markdown, on one line: each special character after a backslash."""
    return re.sub(r"([\\`*_\[\]<>|~&$@#])", r"\\\1", one_line(value))
