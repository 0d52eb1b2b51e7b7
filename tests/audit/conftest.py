"""A source of real images to plant trouble in."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.audit.planting import Source


@pytest.fixture
def source(tmp_path: Path, photographs: Path) -> Source:
    return Source(tmp_path / "source", photographs)
