"""The state of an unfinished run: one file, removed when the run is finished."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.files import open_regular, read_bytes, write_bytes

MAX_HEADER_BYTES = 10_000

MAX_STATE_BYTES = 32 << 30
"""Of one file: weights, their average and an optimizer's two moments."""


@dataclass(frozen=True)
class UnfinishedRun:
    """The file with the state of one run: a line of JSON, then the bytes of the state.

    Attributes
    ----------
    path
        The file.
    identity
        The run's; a state that was saved under another identity is never loaded.
    """

    path: Path
    identity: str

    def load(self) -> bytes | None:
        """The state saved last under this identity; None if there is none or it is damaged."""
        try:
            content = read_bytes(self.path, MAX_STATE_BYTES)
        except OSError:
            return None
        line, _, state = content.partition(b"\n")
        header = _header(line)
        whole = header.get("identity") == self.identity and header.get("digest") == _digest(state)
        return state if whole else None

    def save(self, state: bytes, epoch: int, val_accuracy: float) -> None:
        """Replace the state; epoch and validation accuracy are stored with it for `bakeoff status`."""
        header = {
            "identity": self.identity,
            "epoch": epoch,
            "val_accuracy": val_accuracy,
            "digest": _digest(state),
        }
        write_bytes(self.path, json.dumps(header).encode() + b"\n" + state)


def unfinished_progress(path: Path) -> tuple[int, float] | None:
    """(epochs done, validation accuracy) of the state in a file, or None if there is none."""
    try:
        with open_regular(path) as file:
            header = _header(file.readline(MAX_HEADER_BYTES))
        return int(header["epoch"]), float(header["val_accuracy"])
    except (OSError, KeyError, TypeError, ValueError, OverflowError):
        return None


def _digest(state: bytes) -> str:
    """A checksum, because torch.load verifies none: a flipped bit would change a weight unnoticed."""
    return hashlib.blake2b(state, digest_size=20).hexdigest()


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}
