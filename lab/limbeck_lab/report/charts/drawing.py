"""From a function that plots to SVG markup that lies inside a page, in that page's colours.

matplotlib draws in the light palette. In the markup each of these colours becomes the page's variable of that name,
so that one drawing serves light and dark; fonts are left to the page as well.
"""

import html
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from limbeck_lab.report.charts.colours import LIGHT

Plot = Callable[[Axes], None]
"""Plots into empty axes."""


@dataclass(frozen=True)
class Size:
    """Width and height of a drawing in pixels of the page, without its legend."""

    width: int
    height: int


WIDE, HALF, PHONE = Size(920, 330), Size(440, 280), Size(330, 270)
"""Across the page, half of it, and across a phone."""

_PIXELS_PER_INCH = 72  # matplotlib's SVG counts in points; the page takes each for a pixel
_FONT = 13.0
_LETTER, _SWATCH = 7.0, 46.0  # pixels: the width of a letter, and of a legend's sample with its gaps
_LEGEND_ROW = 20
_PAD = 5  # pixels around the axes

_STYLE: dict[str, Any] = {
    "font.size": _FONT,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["soft"],
    "axes.labelcolor": LIGHT["soft"],
    "axes.titlecolor": LIGHT["soft"],
    "axes.titlesize": _FONT,
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "xtick.color": LIGHT["line"],
    "xtick.labelcolor": LIGHT["soft"],
    "ytick.color": LIGHT["line"],
    "ytick.labelcolor": LIGHT["soft"],
    "ytick.major.size": 0.0,
    "ytick.major.pad": 8.0,
    "xtick.major.pad": 5.0,
    "xaxis.labellocation": "right",
    "grid.color": LIGHT["line"],
    "grid.linewidth": 1.0,
    "legend.frameon": False,
    "legend.borderpad": 0.0,
    "legend.borderaxespad": 0.0,
    "legend.handlelength": 1.8,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.3,
    "lines.solid_capstyle": "round",
    "lines.linewidth": 2.2,
    "lines.markersize": 7.5,
    "lines.markeredgecolor": LIGHT["card"],
}

_TITLE = "title:"
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_UNWANTED = (
    r"^.*?<svg[^>]*>",
    r"<style.*?</style>",
    r'<g id="[^"]*"/>',
    r' transform="rotate\(-?0 [^"]*"',
)
_VARIABLES = {value: f"var(--{name})" for name, value in LIGHT.items()}


def titled(title: str) -> str:
    """Return the `gid` of an artist that says `title` under the pointer."""
    return f"{_TITLE}{title}"


def draw(name: str, title: str, description: str, size: Size, plot: Plot) -> str:
    """Return what `plot` draws as an SVG element, with its title and description for a screen reader.

    `name` is the drawing's own within the page. A legend stands above, if `plot` labelled anything.
    """
    with style.context([_STYLE, {"svg.hashsalt": name}], after_reset=True):  # whatever a matplotlibrc says
        inches = (size.width / _PIXELS_PER_INCH, size.height / _PIXELS_PER_INCH)
        layout = ConstrainedLayoutEngine(w_pad=_PAD / _PIXELS_PER_INCH, h_pad=_PAD / _PIXELS_PER_INCH)
        figure = Figure(inches, dpi=_PIXELS_PER_INCH, layout=layout)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        plot(axes)
        height = size.height + _add_legend(figure, axes, size.width)
        figure.set_figheight(height / _PIXELS_PER_INCH)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA)
    opening = (
        f'<svg viewBox="0 0 {size.width} {height}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{html.escape(title)}</title><desc id="{name}-desc">{html.escape(description)}</desc>'
    )
    return opening + _inside(file.getvalue())


def _add_legend(figure: Figure, axes: Axes, width: int) -> int:
    """Add a legend for all that is labelled, and return the pixels it adds to the height."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return 0
    columns = max(1, min(len(labels), int(width // (_SWATCH + _LETTER * max(map(len, labels))))))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns)
    return _LEGEND_ROW * math.ceil(len(labels) / columns)


def _inside(document: str) -> str:
    """Return the content of an SVG document, and its end tag, as a page may hold it."""
    content = re.sub("|".join(_UNWANTED), "", document, flags=re.DOTALL)
    content = re.sub(r"""<g id=(["'])(.*?)\1>""", _group, content)
    content = re.sub(r'style="([^"]*)"', lambda found: f'style="{_style(found[1])}"', content)
    content = re.sub(r' (d|x|y)="([^"]*)"', lambda found: f' {found[1]}="{_rounded(found[2])}"', content)
    return re.sub(r">\s+<", "><", content).replace("xlink:href", "href")


def _group(found: re.Match[str]) -> str:
    """Return the start of a group, with its title where it has one. matplotlib's ids repeat from chart to chart."""
    title = found[2].removeprefix(_TITLE)
    return "<g>" if title == found[2] else f"<g><title>{title}</title>"


def _style(text: str) -> str:
    parts = [part.strip() for part in text.split(";")]
    kept = [part for part in parts if part and not part.startswith("font")]
    return re.sub(r"#[0-9a-f]{6}", lambda found: _VARIABLES.get(found[0], found[0]), "; ".join(kept))


def _rounded(text: str) -> str:
    numbers = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)
    return " ".join(numbers.split())
