"""A chart with all that stands around it on a page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from limbeck_lab.format import percent
from limbeck_lab.report.charts.drawing import HALF, PHONE, WIDE, Plot, Size, draw


@dataclass(frozen=True)
class Chart:
    """A chart for the template. `drawings` are SVG elements: for a screen and for a phone; none without any values.

    `columns` and `rows` are the table of the values behind it.
    """

    title: str
    description: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    drawings: tuple[str, ...] = ()
    note: str = ""
    wide: bool = False  # whether it goes across the page


def drawn(name: str, chart: Chart, plot: Plot, size: Size = HALF, phone: Size = PHONE) -> Chart:
    """Return the chart with its drawings; `name` is its own within the page."""
    sizes = {"screen": size, "phone": phone}
    drawings = (draw(f"{name}-{where}", chart.title, chart.description, each, plot) for where, each in sizes.items())
    return replace(chart, drawings=tuple(drawings), wide=size is WIDE)


def change(label: str, accuracies: Sequence[float]) -> str:
    """Return a sentence on how an accuracy went from the first round to the last.

    >>> change("Server's model", [0.5, 0.75])
    "Server's model: from 50.0 % to 75.0 %."
    """
    first, last = percent(accuracies[0]), percent(accuracies[-1])
    return f"{label}: {first}." if len(accuracies) == 1 else f"{label}: from {first} to {last}."
