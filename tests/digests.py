"""Study folders that a test changes on purpose."""

from pathlib import Path


def forget_digests(root: Path) -> None:
    """Leave a study folder as an older version wrote it, or somebody who knows of the digests changed it."""
    for path in (root / "files.json", *root.glob("runs/*/*/files.json"), *root.glob("tests/**/files.json")):
        path.unlink(missing_ok=True)
