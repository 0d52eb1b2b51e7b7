"""What all figures share: palette, text, and a matplotlib figure made fit for a page and a file.

Every figure is drawn once and written twice: as SVG that stands in the page and as a file of its own, with
text as text and the page's ink as `currentColor`, so that it follows a dark page; and as PNG on white.
"""

from __future__ import annotations

import html
import io
import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito (2008), Color Universal Design; without the yellow, which is faint on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

BLUE, ORANGE = COLORS[:2]

MARKERS = "osD^vP"

GRAY = "#8a8a8a"

INK = "#010203"
"""Stands for the text's color; in SVG it becomes `currentColor`."""

PNG_DOTS_PER_INCH = 160

STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a class name is a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
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
    """A figure as a page needs it.

    Attributes
    ----------
    svg
        Markup to set inline or to write to a file: no XML header, text as text, ids of its own.
    png
        The same on white.
    alt, caption
        Sentences computed from the numbers shown: what the figure holds, and what to see in it.
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
    """Set the style within a `with` block; figures are made and finished inside it."""
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # A script that matplotlib's font lacks is missing from the PNG only; browsers have the glyphs.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure with one panel; sizes in inches, of which a phone shows about 5 at full size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def finish(figure: Figure, name: str, *, alt: str, caption: str) -> ReportFigure:
    """Write a figure as SVG and PNG; the same numbers give the same bytes.

    Parameters
    ----------
    figure
        Made within `drawing()`.
    name
        Unique on the page: ids inside the SVG begin with it.
    alt, caption
        See `ReportFigure`.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    # By the canvases' own methods: `savefig` draws each figure twice.
    svg, png = io.StringIO(), io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.set_facecolor("none")
    with matplotlib.rc_context({"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(svg, metadata=nothing)  # type: ignore[no-untyped-call]
    # Constrained layout has done its work; PNG takes the same places.
    figure.set_layout_engine("none")
    figure.set(facecolor="white", dpi=PNG_DOTS_PER_INCH)
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return ReportFigure(_fit_for_page(svg.getvalue(), name, alt), png.getvalue(), alt, caption)


def _fit_for_page(svg: str, name: str, alt: str) -> str:
    def own(tag: re.Match[str]) -> str:
        return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", tag[0]).replace(INK, "currentColor")

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', ' width="100%"', svg, count=1)
    # Tags only: what stands between them is text of the user's.
    svg = re.sub(r"<[^<>]*>", own, svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt)}"', 1)


def drawn_text(text: str, limit: int = 24) -> str:
    """Make a name fit to be drawn: the middle of a long one cut out, control characters replaced."""
    text = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) == "Cc" else c for c in text)
    if len(text) > limit:
        half = (limit - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text
