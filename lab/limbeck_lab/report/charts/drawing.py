"""From series of numbers to the geometry of an SVG chart. Nothing here draws: a template does."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 58, 20, 32, 48
"""The margins around the plot: room for tick labels and axis titles."""

TICK_ROOM = 76
"""Pixels that a tick label along the x axis asks for."""

DOT_ROOM = 12
"""Pixels between two dots; where points lie closer, the line goes alone."""


@dataclass(frozen=True)
class Unit:
    """How an axis writes its numbers: times `scale`, then `suffix`. A `whole` axis has no ticks between integers."""

    scale: float = 1.0
    suffix: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from `low` to `high`, with (value, label) ticks."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Return where `value` lies when the axis runs from pixel `start` to pixel `end`."""
        low, high = self.low, self.high
        if self.log:
            low, value, high = math.log(low), math.log(value), math.log(high)
        return start + (value - low) / (high - low) * (end - start)


@dataclass(frozen=True)
class Series:
    """(x, y) points by ascending x. `style` is the CSS class of its mark; a highlighted one lies on top."""

    label: str
    style: str
    points: tuple[tuple[float, float], ...]
    highlight: bool = False


@dataclass(frozen=True)
class Mark:
    """One series in pixels: an SVG path and the centres of its dots."""

    label: str
    style: str
    path: str
    dots: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Drawing:
    """All that a template needs: the size, the plot's box, ticks as (pixel, label), and marks from back to front."""

    width: int
    height: int
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    left: int = LEFT
    top: int = TOP

    @property
    def right(self) -> int:
        """The plot's right edge."""
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        """The plot's lower edge."""
        return self.height - BOTTOM

    @property
    def x_ticks(self) -> Iterator[tuple[float, str]]:
        """Ticks along the lower edge."""
        return ((round(self.x.place(at, self.left, self.right), 1), text) for at, text in self.x.ticks)

    @property
    def y_ticks(self) -> Iterator[tuple[float, str]]:
        """Ticks along the left edge."""
        return ((round(self.y.place(at, self.bottom, self.top), 1), text) for at, text in self.y.ticks)


def nice_step(span: float, count: int) -> float:
    """Return the smallest of 1, 2 or 5 times a power of ten that cuts `span` into at most `count` steps."""
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def axis(title: str, span: tuple[float, float], unit: Unit, *, count: int = 5, widen: bool = True) -> Axis:
    """Return an axis with nice ticks over `span`, widened to end on a tick or else exactly that long."""
    low, high = span
    if high <= low:
        low, high = low - 0.5, low + 0.5
    step = nice_step(high - low, count)
    if unit.whole:
        step = max(step, 1.0)
    slack = step * 1e-6
    first, last = math.floor((low + slack) / step), math.ceil((high - slack) / step)
    if widen:
        low, high = first * step, last * step
    decimals = max(0, -math.floor(math.log10(step * unit.scale) + 1e-9))
    values = [number * step for number in range(first, last + 1)]
    ticks = tuple(
        (value, f"{value * unit.scale:.{decimals}f}{unit.suffix}")
        for value in values
        if low - slack <= value <= high + slack
    )
    return Axis(title, low, high, ticks)


def log_axis(title: str, span: tuple[float, float], write: Callable[[float], str], *, count: int = 5) -> Axis:
    """Return a logarithmic axis from the 1, 2 or 5 times a power of ten below `span` to the one above; `span` > 0."""
    powers = range(math.floor(math.log10(span[0])), math.ceil(math.log10(span[1])) + 2)
    nice = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    low = max(value for value in nice if value <= span[0] * (1 + 1e-9))
    high = min(value for value in nice if value >= span[1] * (1 - 1e-9) and value > low)
    ticks = [value for value in nice if low <= value <= high]
    if len(ticks) > count:
        ticks = [10.0**power for power in powers if low <= 10.0**power <= high]
    thin = ticks[:: max(1, math.ceil(len(ticks) / count))]
    return Axis(title, low, high, tuple((value, write(value)) for value in thin), log=True)


def x_count(width: int) -> int:
    """Return how many steps an x axis has room for in a drawing of that width."""
    return max(2, (width - LEFT - RIGHT) // TICK_ROOM)


def line_chart(series: Sequence[Series], x: Axis, y: Axis, size: tuple[int, int]) -> Drawing:
    """Join each series' points by straight lines; few or alone_accuracy points get dots as well."""
    width, height = size

    def mark(one: Series) -> Mark:
        at = tuple(
            (
                round(x.place(px, LEFT, width - RIGHT), 1),
                round(y.place(py, height - BOTTOM, TOP), 1),
            )
            for px, py in one.points
        )
        dotted = len(at) == 1 or (one.highlight and len(at) * DOT_ROOM <= width - LEFT - RIGHT)
        path = "M" + " L".join(f"{px:g} {py:g}" for px, py in at) if len(at) > 1 else ""
        return Mark(one.label, one.style, path, at if dotted else ())

    ordered = sorted((one for one in series if one.points), key=lambda one: one.highlight)
    return Drawing(width, height, x, y, tuple(mark(one) for one in ordered))


def bar_chart(series: Sequence[Series], x: Axis, y: Axis, size: tuple[int, int]) -> Drawing:
    """Stand the series' bars side by side at every whole x; `x` reaches half a step beyond the outer ones."""
    width, height = size
    slot = (width - LEFT - RIGHT) / (x.high - x.low)
    bar = min(slot * 0.8 / len(series), 28.0)

    def mark(place: int, one: Series) -> Mark:
        floor = height - BOTTOM
        shift = (place - len(series) / 2) * bar
        bars = (
            f"M{x.place(px, LEFT, width - RIGHT) + shift:.1f} {floor}V{y.place(py, floor, TOP):.1f}h{bar:.2f}V{floor}z"
            for px, py in one.points
        )
        return Mark(one.label, one.style, "".join(bars))

    return Drawing(width, height, x, y, tuple(mark(place, one) for place, one in enumerate(series)))
