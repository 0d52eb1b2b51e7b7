"""Text in LaTeX and Markdown: what a name contains is text, never a command."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bakeoff.paper.markup import Latex, Markdown

ODD = r"a_b & 50% of {x} #1 ~ ^ \input{/etc/passwd} $y$ <b> | -0.5 to 1-2 und groß"


def test_latex_specials_are_commands():
    assert Latex().text(ODD) == (
        r"a\_b \& 50\% of \{x\} \#1 \textasciitilde{} \textasciicircum{} "
        r"\textbackslash{}input\{/etc/passwd\} \$y\$ "
        r"\textless{}b\textgreater{} \textbar{} $-$0.5 to 1-2 und groß"
    )


def test_markdown_specials_are_escaped():
    assert Markdown().text("a_b | <i> [x](y) @key `c`") == r"a\_b \| \<i\> \[x\](y) \@key \`c\`"
    assert Markdown().code("a`b\n") == "`a'b `"


def test_quotes_need_no_other_encoding_than_the_default():
    assert Latex().text('the "best"') == "the ''best''"


@given(st.text(max_size=30))
def test_no_special_of_latex_is_left_alone(name):
    rest = re.sub(r"\\text[a-z]+\{\}|\$-\$|\$\\times\$|\\[&%$#_{}]", "", Latex().text(name))
    assert not re.search(r"[\\&%$#_{}^]", rest), rest


def test_citations():
    assert Latex().cite("holm1979", "welch1947") == r"\citep{holm1979,welch1947}"
    assert Markdown().cite("holm1979", "welch1947") == "[@holm1979; @welch1947]"
