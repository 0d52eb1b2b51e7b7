"""Names that would act on a terminal are shown as escapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.text import printable, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\rb\tc\x7f\x9b", "a\\rb\\tc\\x7f\\x9b"),
        ("\u2028\udce9\ufeff", "\\u2028\\udce9\\ufeff"),
        ("two\nlines", "two\nlines"),
        ("größe 日本語\u3000🐈 عربي ک\u200cن", "größe 日本語\u3000🐈 عربي ک\u200cن"),
    ],
)
def test_what_acts_is_escaped_and_what_is_read_stays(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_nothing_that_acts_is_left(text):
    shown = printable(text)
    shown.encode()
    assert not any(
        (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in shown
    )
    assert printable(shown) == shown


def test_long_values_are_cut_in_the_middle():
    assert shorten("a" * 10) == "'aaaaaaaaaa'"
    assert len(shorten("a" * 100_000)) < 200
    assert shorten(10**5_000) == "a very large int"
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert shorten(nested) == "a very large list"
