"""The one exception for mistakes a user can cause."""


class BakeoffError(Exception):
    """A user's mistake, told in one piece: what was found, what was expected, what to do.

    The command line prints the text without a traceback and exits with 2.
    """


def list_some(items: list[str], limit: int = 10) -> str:
    """Indent the first `limit` items, one a line, and count the rest."""
    lines = [f"  {item}" for item in items[:limit]]
    if len(items) > limit:
        lines.append(f"  ... and {len(items) - limit} more ({len(items)} in all)")
    return "\n".join(lines)
