"""Templates: a name from a user is text."""

from bakeoff.templates import markdown


def test_names_are_shown_as_they_are_in_markdown() -> None:
    assert markdown("a|b <script> `c` *d* [e](f) g_h\n$x$ @i # \x1b[0m") == (
        r"a\|b \<script\> \`c\` \*d\* \[e\](f) g\_h \$x\$ \@i \# \\x1b\[0m"
    )
