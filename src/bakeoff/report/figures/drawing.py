"""Shared by all figures: the palette, text, and the conversion of a matplotlib figure for the page and files.

Every figure is drawn once and written twice: as SVG, in the page and as a file, with text as text and the
page's text color as `currentColor`, so that it follows a dark page; and as PNG on white.
"""

from __future__ import annotations

import html
import io
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bakeoff.report.figures.fonts import FIRST, use_fonts
from bakeoff.text import ignoring_missing_glyphs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


# Okabe and Ito (2008), Color Universal Design; without the yellow, which is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

BLUE, ORANGE = COLORS[:2]

MARKERS = "osD^vP"

MAX_RECIPES = len(COLORS)
"""Recipes that a figure can tell apart by color and marker."""

GRAY = "#8a8a8a"

PAPER = "#ffffff"
"""The inside of hollow markers; on a dark page, the style sheet makes it the page's color."""

INK = "#010203"
"""The color of text; in SVG it becomes `currentColor`."""

REM_PER_POINT = 0.09
"""How wide a page shows a figure at most, so that text of 9 points has 13 pixels in every figure."""

PNG_DOTS_PER_INCH = 160

STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "font.sans-serif": [FIRST, "sans-serif"],  # each text of an SVG repeats the list
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a class name is a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.unicode_minus": False,  # as in all other texts
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRAY,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class ReportFigure:
    """A figure for a page.

    Attributes
    ----------
    svg
        Markup for inline use or for a file: no XML header, text as text, unique ids.
    png
        The same figure on white.
    alt, caption
        Sentences computed from the numbers shown: what the figure contains, and what to see in it.
    """

    svg: str = field(repr=False)
    png: bytes = field(repr=False)
    alt: str
    caption: str

    def _repr_svg_(self) -> str:
        """Show the figure in a notebook."""
        return self.svg.replace("<svg", '<svg style="max-width: 48em"', 1)


@contextmanager
def drawing() -> Iterator[None]:
    """Set the style within a `with` block; figures are created and finished inside it."""
    import matplotlib

    # Of matplotlib before 3.11, which has no font of last resort.
    with matplotlib.rc_context(STYLE), ignoring_missing_glyphs():
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Create a figure with one panel; sizes in inches, of which a phone shows about 5 at full size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def legend_above(figure: Figure | SubFigure, **options: Any) -> None:
    """Place a legend above all panels, in as many columns as its longest label leaves room for."""
    labels = [text for axes in figure.axes for text in axes.get_legend_handles_labels()[1]]
    characters = 13 * figure.bbox.width / figure.dpi  # of 9 points
    columns = int(characters // (max(map(len, labels), default=0) + 6))
    figure.legend(loc="outside upper left", ncols=min(max(columns, 1), 4), **options)


def finish(figure: Figure, name: str, *, alt: str, caption: str) -> ReportFigure:
    """Write a figure as SVG and PNG; the same numbers give the same bytes.

    Parameters
    ----------
    figure
        Created within `drawing()`.
    name
        Unique on the page: ids inside the SVG begin with it.
    alt, caption
        See `ReportFigure`.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    # The methods of the canvases, because `savefig` draws each figure twice.
    svg, png = io.StringIO(), io.BytesIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.set_facecolor("none")
    use_fonts(figure)
    with matplotlib.rc_context({"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(svg, metadata=no_metadata)  # type: ignore[no-untyped-call]
    # The layout is done; the PNG uses the same positions.
    figure.set_layout_engine("none")
    figure.set(facecolor="white", dpi=PNG_DOTS_PER_INCH)
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return ReportFigure(_fit_for_page(svg.getvalue(), name, alt), png.getvalue(), alt, caption)


_DECIMALS = re.compile(r"(\.\d\d)\d+")
_LINES = re.compile(r"[ML] [-\d. ]+(?:\nL [-\d. ]+)+")
_UNUSED = re.compile(
    r' transform="rotate\(-0 [^"]*"'
    r'| id="(?:line2d|patch|text|[xy]tick|matplotlib\.axis)_\d+"'
    r"|(?<=>)\n\s*(?=<)"
)


def _fit_for_page(svg: str, name: str, alt: str) -> str:
    def prefixed(tag: re.Match[str]) -> str:
        # A hundredth of a point is less than is seen, and a third of the file is digits.
        short = re.sub(r' (?:d|x|y)="[^"]*"', lambda numbers: _DECIMALS.sub(r"\1", numbers[0]), tag[0])
        short = _LINES.sub(lambda line: line[0].replace("\nL ", ""), short)
        return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", short).replace(INK, "currentColor")

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _UNUSED.sub("", svg)
    svg = re.sub(
        r' width="([\d.]+)pt" height="[\d.]+pt"',
        lambda size: f' width="100%" style="--width: {REM_PER_POINT * float(size[1]):.1f}rem"',
        svg,
        count=1,
    )
    # Tags only: the text between them may be the user's.
    svg = re.sub(r"<[^<>]*>", prefixed, svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt)}"', 1)


def drawn_text(text: str, limit: int = 24) -> str:
    """Prepare a name for drawing: shorten long names in the middle, replace control characters."""
    text = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) == "Cc" else c for c in text)
    if len(text) > limit:
        half = (limit - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text
