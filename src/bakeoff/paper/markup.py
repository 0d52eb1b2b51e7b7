"""Text, citations and code in LaTeX and in Markdown; names come from users, and are escaped."""

from __future__ import annotations

import re

from bakeoff.templates import markdown, one_line

IN_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "×": r"$\times$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # \textquotedbl is an error in LaTeX's default encoding
    "\N{NO-BREAK SPACE}": "~",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


class Latex:
    """LaTeX; citations by natbib or biblatex's natbib mode, which `\\citep` needs."""

    suffix = "tex"

    def text(self, value: object) -> str:
        """Each special character by its command; a sign before a number is a minus."""
        signs = re.sub(r"(?<![\w.])-(?=\d)", "−", one_line(value))
        return "".join(IN_LATEX.get(sign, sign) for sign in signs)

    def code(self, value: object) -> str:
        """In typewriter letters."""
        return rf"\texttt{{{self.text(value)}}}"

    def cite(self, *keys: str) -> str:
        r"""As \citep."""
        return rf"\citep{{{','.join(keys)}}}"


class Markdown:
    """Markdown; citations as Pandoc reads them."""

    suffix = "md"

    def text(self, value: object) -> str:
        """Each special character after a backslash."""
        return markdown(value)

    def code(self, value: object) -> str:
        """As names of settings and versions are: between backquotes, which such a name must not contain."""
        return f"`{one_line(value).replace('`', chr(39))}`"

    def cite(self, *keys: str) -> str:
        """As [@a; @b]."""
        return f"[{'; '.join('@' + key for key in keys)}]"
