"""A user's own classes, by import path `package.module:Class`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from pathlib import Path

from bakeoff.errors import BakeoffError


def import_class(path: str, role: str) -> type:
    """The class at `package.module:Class`; `role` ("model", "augmentation") names it in messages.

    Raises
    ------
    BakeoffError
        If the module cannot be imported or has no such class.
    """
    module_name, _, class_name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a user's module raises; a script may exit
        raise BakeoffError(
            f"{role} {path!r}: cannot import {module_name!r} ({type(error).__name__}: {error}); "
            "it must be installed or lie in the current folder"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module_name  # not what it imports
        ]
        raise BakeoffError(
            f"{role} {path!r}: {module_name} has no class {class_name!r}; "
            f"it has {', '.join(classes) or 'none'}"
        )
    return found


def source_digest(path: str, role: str) -> str:
    """SHA-256 of the file that holds the class, or "" where there is none (typed in at a prompt)."""
    file = inspect.getsourcefile(import_class(path, role))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
