"""How the axes of our charts are scaled and written."""

from collections.abc import Iterable, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

Along = Literal["x", "y"]

_NICE = (1, 2, 5, 10)  # a step between ticks is one of these times a power of ten
_LABEL, _SHORT_LABEL = 80, 40  # pixels that a tick's label asks for along x; a small whole number asks for less
_STEPS_UP = 6  # along y, at most
_LEAST_SPAN = 0.1  # an axis of accuracies shows at least ten points, so that noise does not look like progress
_AROUND = 1.25  # how far a logarithmic axis reaches beyond its values, as a factor
_UNLIMITED = 99  # ticks
_TIME_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
_ENOUGH = 3.0  # of a unit of time, to count in it


def whole_numbers(axes: Axes, title: str, low: float, high: float) -> None:
    """Have the x axis count from `low` to `high`, with ticks only at whole numbers."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    steps = _steps(axes, "x", _SHORT_LABEL)
    axes.set(xlabel=title, xlim=(low, high))
    axes.xaxis.set_major_locator(MaxNLocator(steps, steps=_NICE, integer=True, min_n_ticks=1))


def accuracy(axes: Axes, along: Along, values: Iterable[float]) -> None:
    """Have an axis show accuracies."""
    known = list(values)
    low, high = max(0.0, min(*known, max(known) - _LEAST_SPAN)), max(*known, _LEAST_SPAN)
    _show(axes, along, "accuracy on the test set", _ticks(low, high, _steps(axes, along)))
    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set_major_formatter(lambda value, _: f"{round(100 * value, 6):g} %")


def byte_counts(axes: Axes, along: Along, title: str, largest: float) -> None:
    """Have an axis show bytes, from 0."""
    _show(axes, along, title, _ticks(0.0, max(largest, 10.0), _steps(axes, along)))
    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set_major_formatter(EngFormatter("B"))


def log_byte_counts(axes: Axes, title: str, counts: Iterable[float]) -> None:
    """Have the x axis show bytes on a logarithmic scale. Counts below 1 are outside it."""
    known = [max(1.0, count) for count in counts]
    low, high = min(known) / _AROUND, max(known) * _AROUND
    axes.set(xlabel=title, xscale="log", xlim=(low, high))
    axes.xaxis.set_major_locator(_log_locator(low, high, _steps(axes, "x") + 1))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter("B"))


def time(axes: Axes, longest: float) -> None:
    """Have the x axis show time from 0 to `longest` seconds, in a fitting unit."""
    title, unit = next((each for each in _TIME_UNITS if longest >= _ENOUGH * each[1]), _TIME_UNITS[-1])
    _show(axes, "x", title, [tick * unit for tick in _ticks(0.0, max(longest / unit, 1.0), _steps(axes, "x"))])
    axes.xaxis.set_major_formatter(lambda seconds, _: f"{seconds / unit:g}")


def _show(axes: Axes, along: Along, title: str, ticks: Sequence[float]) -> None:
    """Give an axis its title and ticks, from the first to the last. The title of a y axis is above it."""
    if along == "x":
        axes.set(xlabel=title, xticks=ticks, xlim=(ticks[0], ticks[-1]))
    else:
        axes.set(title=title, yticks=ticks, ylim=(ticks[0], ticks[-1]))
        axes.grid(axis="y", clip_on=False)


def _ticks(low: float, high: float, steps: int) -> list[float]:
    """Return round numbers, of which the first is at or below `low` and the last at or above `high`."""
    return [float(tick) for tick in MaxNLocator(steps, steps=_NICE).tick_values(low, high)]


def _log_locator(low: float, high: float, most: int) -> LogLocator:
    """Return the locator with the closest ticks of which at most `most` lie between `low` and `high`."""
    for factors in ((1, 2, 5), (1, 3), (1,)):
        locator = LogLocator(subs=factors, numticks=_UNLIMITED)
        if sum(low <= tick <= high for tick in locator.tick_values(low, high)) <= most:
            return locator
    return LogLocator(numticks=most)


def _steps(axes: Axes, along: Along, label: int = _LABEL) -> int:
    return max(2, int(axes.figure.bbox.width // label) - 1) if along == "x" else _STEPS_UP
