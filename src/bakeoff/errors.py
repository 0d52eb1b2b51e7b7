"""The one exception for mistakes a user can cause, and how its text is kept fit to be shown."""

import unicodedata


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


def shorten(value: object, limit: int = 200) -> str:
    """Give `repr(value)` with the middle of a long one cut out."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        return f"a very large {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 4 :]}"


def printable(text: str) -> str:
    """Write what would act on a terminal as escapes: control characters, line separators, text direction.

    Line feeds stay: a message may have several lines.
    """
    return "".join(
        character if character == "\n" or _is_harmless(character) else _escape(character)
        for character in text
    )


def _is_harmless(character: str) -> bool:
    # Joiners (U+200C, U+200D) belong to the spelling of names in several scripts.
    return (
        unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in "\u200c\u200d"
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
