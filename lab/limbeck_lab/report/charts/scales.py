"""How the axes of our charts are scaled and written."""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

_NICE = (1, 2, 5, 10)
"""A step between ticks is one of these times a power of ten."""

_LABEL, _SHORT_LABEL = 80, 40
"""Pixels that a tick label along the x axis asks for; a small whole number asks for less."""

_STEPS_UP = 6
"""Steps of a y axis at most."""

_LEAST_SPAN = 0.1
"""An axis of accuracies shows at least ten points, so that noise does not look like progress."""

_AROUND = 1.25
"""How far a logarithmic axis reaches beyond its values, as a factor."""

_UNLIMITED = 99

_TIME_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
_ENOUGH = 3.0  # of a unit of time, to count in it


def rounds_along_x(axes: Axes, first: int, last: int, *, beyond: float = 0.0) -> None:
    """Have the x axis count rounds, from `beyond` before the first to `beyond` after the last."""
    whole_numbers_along_x(axes, "round", first - beyond, last + beyond)


def whole_numbers_along_x(axes: Axes, title: str, low: float, high: float) -> None:
    """Have the x axis count from `low` to `high`, with ticks only at whole numbers."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    axes.set_xlabel(title)
    axes.set_xlim(low, high)
    steps = _steps_along_x(axes, _SHORT_LABEL)
    axes.xaxis.set_major_locator(MaxNLocator(steps, steps=_NICE, integer=True, min_n_ticks=1))


def accuracy_along_y(axes: Axes, accuracies: Iterable[float]) -> None:
    """Have the y axis show accuracies."""
    axes.set_title("accuracy on the test set")
    axes.grid(axis="y", clip_on=False)
    _show_along_y(axes, _accuracy_ticks(accuracies, _STEPS_UP))
    axes.yaxis.set_major_formatter(_percent)


def accuracy_along_x(axes: Axes, accuracies: Iterable[float]) -> None:
    """Have the x axis show accuracies."""
    axes.set_xlabel("accuracy on the test set")
    _show_along_x(axes, _accuracy_ticks(accuracies, _steps_along_x(axes)))
    axes.xaxis.set_major_formatter(_percent)


def bytes_along_y(axes: Axes, title: str, largest: float) -> None:
    """Have the y axis show bytes, from 0."""
    axes.set_title(title)
    axes.grid(axis="y", clip_on=False)
    _show_along_y(axes, _ticks(0.0, max(largest, 10.0), _STEPS_UP))
    axes.yaxis.set_major_formatter(EngFormatter("B"))


def bytes_along_x(axes: Axes, title: str, largest: float) -> None:
    """Have the x axis show bytes, from 0."""
    axes.set_xlabel(title)
    _show_along_x(axes, _ticks(0.0, max(largest, 10.0), _steps_along_x(axes)))
    axes.xaxis.set_major_formatter(EngFormatter("B"))


def log_bytes_along_x(axes: Axes, title: str, counts: Iterable[float]) -> None:
    """Have the x axis show bytes on a logarithmic scale. Counts below 1 are outside it."""
    known = [max(1.0, count) for count in counts]
    low, high = min(known) / _AROUND, max(known) * _AROUND
    axes.set_xlabel(title)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(_log_locator(low, high, _steps_along_x(axes) + 1))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter("B"))


def time_along_x(axes: Axes, longest: float) -> None:
    """Have the x axis show time from 0 to `longest` seconds, in a fitting unit."""
    title, unit = next((each for each in _TIME_UNITS if longest >= _ENOUGH * each[1]), _TIME_UNITS[-1])
    axes.set_xlabel(title)
    _show_along_x(axes, [tick * unit for tick in _ticks(0.0, max(longest / unit, 1.0), _steps_along_x(axes))])
    axes.xaxis.set_major_formatter(lambda seconds, _: f"{seconds / unit:g}")


def _accuracy_ticks(accuracies: Iterable[float], steps: int) -> list[float]:
    known = list(accuracies)
    low, high = min(known), max(known)
    return _ticks(max(0.0, min(low, high - _LEAST_SPAN)), max(high, _LEAST_SPAN), steps)


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


def _show_along_x(axes: Axes, ticks: Sequence[float]) -> None:
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_xticks(ticks)


def _show_along_y(axes: Axes, ticks: Sequence[float]) -> None:
    axes.set_ylim(ticks[0], ticks[-1])
    axes.set_yticks(ticks)


def _steps_along_x(axes: Axes, label: int = _LABEL) -> int:
    return max(2, int(axes.figure.bbox.width // label) - 1)


def _percent(accuracy: float, _place: float) -> str:
    return f"{round(100 * accuracy, 6):g} %"
