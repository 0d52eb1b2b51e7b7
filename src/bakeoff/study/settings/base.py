"""The base class of all tables of a study file."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Discriminator, model_validator

from bakeoff.text import shorten

IMPORT_PATH = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""Of a class or function of the user's own, `package.module:name`."""


class Settings(BaseModel):
    """A table of a study file: immutable; unknown keys are refused; types are not converted silently.

    The docstring under each field is its documentation.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class SettingsWithOptions(BaseModel):
    """A table that names something, with options for it: any further keys."""

    model_config = ConfigDict(
        extra="allow", frozen=True, strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _options_can_be_written(self) -> SettingsWithOptions:
        refuse_unwritable(self.options)
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The keys beyond those of the class."""
        return dict(self.model_extra or {})


def by_name(default: str | None = None) -> Discriminator:
    """Chooses the settings that a table with a `name` is for: those of the name, or of an import path."""

    def tag(table: Any) -> str | None:
        name = table.get("name", default) if isinstance(table, dict) else getattr(table, "name", None)
        return name if name is None else "import path" if ":" in str(name) else str(name)

    return Discriminator(tag)


def refuse_unwritable(options: dict[str, Any]) -> None:
    """Raise a ValueError for an option that a study file cannot hold."""
    for key, value in options.items():
        if not _is_plain(value):
            raise ValueError(
                f"{key[:100]} is {shorten(value)}; "
                "expected finite numbers, strings, true, false, and lists or tables of these"
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(child) for child in value.values())
    if isinstance(value, list):
        return all(_is_plain(child) for child in value)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
