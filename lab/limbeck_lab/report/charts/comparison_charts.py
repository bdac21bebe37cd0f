"""The charts of a comparison's report.

Lines and dots are medians over the seeds; bands and whiskers reach from the lowest seed to the highest.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from matplotlib.axes import Axes

from limbeck_lab.compare.scores import Comparison, Runs, Score, Spread, bytes_so_far, judged_accuracies
from limbeck_lab.format import MISSING, duration, human_bytes, percent
from limbeck_lab.report.charts import scales
from limbeck_lab.report.charts.chart import Chart, drawn
from limbeck_lab.report.charts.colours import LIGHT, colour, dash, marker
from limbeck_lab.report.charts.drawing import HALF, PHONE, WIDE, Size, titled
from limbeck_lab.results.records import Results

_DOTTED = 4
"""With more variants than this, dots on their lines would hide each other."""

_ROW, _AROUND_ROWS = 30, 60
"""Pixels of a row's height, and of what is above and below the rows."""

_LONGEST = 24
"""Letters of a row's label, past which it is cut."""

Curve = Callable[[Results], Mapping[int, float]]


@dataclass(frozen=True)
class _Seeds:
    """A curve over the seeds at one round."""

    round: int
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class _Quantity:
    """What a row's whisker shows: how it is taken from a score, written, and scaled along the x axis."""

    of: Callable[[Score], Spread | None]
    text: Callable[[float], str]
    scale: Callable[[Axes, Sequence[float]], None]


def round_chart(runs: Runs, name: str, title: str, curve: Curve, size: Size = WIDE) -> Chart:
    """Return an accuracy of every variant by round; `name` is the chart's own within the page."""
    curves = {label: _over_seeds(found.values(), curve) for label, found in runs.items()}
    numbers = sorted({each.round for line in curves.values() for each in line})
    medians = [{each.round: each.median for each in line} for line in curves.values()]
    chart = Chart(
        title=title,
        description="The line is the median over the seeds; the band reaches from the lowest to the highest. "
        "The closing round, in which clients learn from the last aggregate, comes after it.",
        columns=("round", *curves),
        rows=tuple((str(at), *(percent(each.get(at)) for each in medians)) for at in numbers),
    )

    def plot(axes: Axes) -> None:
        scales.whole_numbers(axes, "round", numbers[0], numbers[-1])
        scales.accuracy(
            axes, "y", [edge for line in curves.values() for each in line for edge in (each.low, each.high)]
        )
        for place, (label, line) in enumerate(curves.items()):
            at = [each.round for each in line]
            lows, highs = [each.low for each in line], [each.high for each in line]
            axes.fill_between(at, lows, highs, color=LIGHT[colour(place)], alpha=0.14, linewidth=0, clip_on=False)
            axes.plot(at, [each.median for each in line], label=label, **_line(place, len(curves)))

    return drawn(name, chart, plot, size) if numbers else chart


def cost_chart(runs: Runs) -> Chart:
    """Return every variant's accuracy by the bytes that a client has exchanged so far."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for label, found in runs.items():
        costs = {each.round: each.median for each in _over_seeds(found.values(), bytes_so_far)}
        reached = _over_seeds(found.values(), judged_accuracies)
        lines[label] = [(costs[each.round], each.median) for each in reached if costs.get(each.round)]
    points = [point for line in lines.values() for point in line]
    chart = Chart(
        title="Accuracy by bytes",
        description="Up and down together, as encoded; each point is the end of a round. The scale is logarithmic.",
        columns=("method", "bytes per client", "accuracy"),
        rows=tuple(
            (label, f"{round(cost):,}", percent(value)) for label, line in lines.items() for cost, value in line
        ),
    )

    def plot(axes: Axes) -> None:
        scales.log_byte_counts(axes, "bytes per client so far", [cost for cost, _ in points])
        scales.accuracy(axes, "y", [value for _, value in points])
        for place, (label, line) in enumerate(lines.items()):
            style = _line(place, len(lines))
            axes.plot([cost for cost, _ in line], [value for _, value in line], label=label, **style)

    return drawn("cost", chart, plot) if points else chart


def target_chart(comparison: Comparison) -> Chart:
    """Return the bytes that a client exchanged until the target was reached."""
    chart = Chart(
        title=f"Bytes until {percent(comparison.target)}",
        description="Bytes until the server's model or, where there is none, the mean client reached the target. A row "
        "without a dot: half of the seeds or more did not reach it. The scale is logarithmic.",
    )
    quantity = _Quantity(
        lambda score: score.target_bytes,
        human_bytes,
        lambda axes, ends: scales.log_byte_counts(axes, "bytes per client", ends),
    )
    return _whisker_chart("target", chart, comparison, quantity)


def seconds_chart(comparison: Comparison) -> Chart:
    """Return how long the runs took."""
    chart = Chart("Time per run", "With as many other runs at the same time as the command allowed.")
    quantity = _Quantity(lambda score: score.seconds, duration, lambda axes, ends: scales.time(axes, max(ends)))
    return _whisker_chart("seconds", chart, comparison, quantity)


def seeds_chart(comparison: Comparison) -> Chart:
    """Return the accuracies at the end over the seeds."""
    chart = Chart(
        title="Accuracy over the seeds",
        description="Accuracy at the end of the server's model or, where there is none, of the mean client: lowest, "
        "median and highest seed.",
    )
    quantity = _Quantity(lambda score: score.server or score.clients, percent, _accuracy_scale)
    return _whisker_chart("seeds", chart, comparison, quantity)


def clients_chart(comparison: Comparison) -> Chart:
    """Return the accuracies at the end over the clients."""
    chart = Chart(
        title="Accuracy over the clients",
        description="Accuracy at the end of the worst, the median and the best client, each the median over the seeds.",
    )
    return _whisker_chart("clients", chart, comparison, _Quantity(_over_clients, percent, _accuracy_scale))


def _accuracy_scale(axes: Axes, ends: Sequence[float]) -> None:
    scales.accuracy(axes, "x", ends)


def _over_clients(score: Score) -> Spread | None:
    if score.worst is None or score.best is None:
        return None
    return Spread(median=score.middle, low=score.worst, high=score.best)


def _whisker_chart(name: str, chart: Chart, comparison: Comparison, quantity: _Quantity) -> Chart:
    """Return the chart with a row for each variant: a whisker from lowest to highest, a dot at the median."""
    labels = [score.label for score in comparison.scores]
    spreads = [quantity.of(score) for score in comparison.scores]
    known = [spread for spread in spreads if spread is not None]
    rows = []
    for label, spread in zip(labels, spreads, strict=True):
        values = (spread.low, spread.median, spread.high) if spread else (None, None, None)
        rows.append((label, *(MISSING if value is None else quantity.text(value) for value in values)))
    chart = replace(chart, columns=("method", "lowest", "median", "highest"), rows=tuple(rows))

    def plot(axes: Axes) -> None:
        quantity.scale(axes, [edge for spread in known for edge in (spread.low, spread.high)])
        axes.grid(axis="y", clip_on=False)
        axes.set_ylim(-len(labels) + 0.5, 0.5)
        axes.set_yticks([-place for place in range(len(labels))], [_cut(label) for label in labels])
        for place, (label, spread) in enumerate(zip(labels, spreads, strict=True)):
            if spread is not None:
                _plot_whisker(axes, place, label, spread)

    height = _AROUND_ROWS + _ROW * len(labels)
    return drawn(name, chart, plot, Size(HALF.width, height), Size(PHONE.width, height)) if known else chart


def _plot_whisker(axes: Axes, place: int, label: str, spread: Spread) -> None:
    style: dict[str, Any] = {"color": LIGHT[colour(place)], "gid": titled(label), "clip_on": False}
    ends = [spread.low, spread.high]
    if spread.low < spread.high:
        axes.plot(
            ends, [-place] * 2, marker="|", markersize=11, markeredgecolor=style["color"], markeredgewidth=2.2, **style
        )
    if spread.median is not None:
        axes.plot(
            [spread.median],
            [-place],
            marker=marker(place),
            markersize=8,
            markeredgecolor=LIGHT["card"],
            zorder=3,
            **style,
        )


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _line(place: int, variants: int) -> dict[str, Any]:
    """Return the style of a variant's line, by its place among them all."""
    return {
        "color": LIGHT[colour(place)],
        "linestyle": dash(place),
        "marker": marker(place) if variants <= _DOTTED else "",
        "clip_on": False,
        "zorder": 3,
    }


def _over_seeds(records: Iterable[Results], curve: Curve) -> list[_Seeds]:
    """Return the curve at the rounds that every seed has a value for."""
    curves = [curve(record) for record in records]
    shared = sorted(set.intersection(*(set(each) for each in curves))) if curves else []
    values = {at: [each[at] for each in curves] for at in shared}
    return [_Seeds(at, median(here), min(here), max(here)) for at, here in values.items()]
