"""Code of the user that a study names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.study import Study


def find_own_classes(study: Study) -> None:
    """Let imports find custom classes in the current folder, after all installed packages."""
    if study.own_classes:
        sys.path.append(str(Path.cwd()))
