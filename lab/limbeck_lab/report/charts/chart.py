"""A chart with all that stands around it on a page, and the axes that our charts share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from limbeck_lab.report import table
from limbeck_lab.report.chart import Axis, Drawing, Unit, axis

WIDE, NARROW = (920, 360), (440, 300)

ROUNDS, PERCENT = Unit(whole=True), Unit(scale=100, suffix=" %")


@dataclass(frozen=True)
class Chart:
    """A chart for the template: drawings of one thing in several sizes, and the data table behind them."""

    name: str
    title: str
    description: str
    legend: tuple[tuple[str, str], ...]
    drawings: tuple[Drawing, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def accuracy_axis(values: Iterable[float]) -> Axis:
    """Return one at least ten points high, so that noise does not look like progress."""
    known = list(values)
    low, high = min(known), max(known)
    span = (max(0.0, min(low, high - 0.1)), max(high, 0.1))
    return axis("accuracy on the test set", span, PERCENT, count=7)


def byte_axis(title: str, largest: int, *, count: int = 5) -> Axis:
    """Return a linear one from 0, in the unit that the largest figure is written in."""
    power = min((len(str(largest)) - 1) // 3, len(table.BYTE_UNITS) - 1)
    unit = Unit(scale=1000.0**-power, whole=True)
    return axis(f"{title}, {table.BYTE_UNITS[power]}", (0, max(largest, 1)), unit, count=count)


def change(label: str, points: Sequence[tuple[float, float]]) -> str:
    """Say in a sentence how an accuracy went from the first point to the last."""
    first, last = points[0][1], points[-1][1]
    if len(points) == 1:
        return f"{label}: {table.percent(first)}."
    return f"{label}: from {table.percent(first)} to {table.percent(last)}."


def byte_text(count: float) -> str:
    """Write a round number of bytes for an axis: 1 MB."""
    return table.human_bytes(round(count)).replace(".0 ", " ")
