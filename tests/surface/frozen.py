"""What others build on: lists that are compared word by word."""

from collections.abc import Iterable


def check_frozen(what: str, found: Iterable[str], expected: Iterable[str]) -> None:
    """Fail with what was added and removed."""
    found, expected = set(found), set(expected)
    changes = [f"  added: {name}" for name in sorted(found - expected)]
    changes += [f"  removed: {name}" for name in sorted(expected - found)]
    assert not changes, "\n".join(
        [
            f"{what} changed:",
            *changes,
            "Others build on these names. If the change is a decision, change the list in this test with it, "
            "the docs and CHANGELOG.md; otherwise undo it.",
        ]
    )
