"""The charts of a comparison's report. Lines and dots are medians over the seeds, bands and whiskers their extremes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from limbeck_lab.compare import scores
from limbeck_lab.compare.scores import Comparison, Runs, Score, Spread
from limbeck_lab.report import table
from limbeck_lab.report.chart import Axis, Series, Unit, axis, log_axis, x_count
from limbeck_lab.report.figure import NARROW, PERCENT, ROUNDS, Chart, accuracy_axis, byte_text
from limbeck_lab.report.spread_chart import Banded, Row, banded_chart, row_chart
from limbeck_lab.run.results import Results

COLOURS = 8
"""Variants that have a colour of their own; the next ones take them again, dashed."""

DOTTED = 4
"""With more variants than this, dots on their lines would hide each other."""

Curve = Callable[[Results], Mapping[int, float]]
Point = tuple[int, float, float, float]  # round, median, lowest, highest


def style(place: int) -> str:
    """Return the CSS classes of a variant, by its place."""
    return f"s{place % COLOURS}" + (" dashed" if place >= COLOURS else "")


def round_chart(runs: Runs, names: tuple[str, str], curve: Curve, sizes: Sequence[tuple[int, int]]) -> Chart:
    """Draw an accuracy of every variant by round, once in each size; `names` are the chart's name and its title."""
    curves = {label: _over_seeds(found.values(), curve) for label, found in runs.items()}
    dotted = len(runs) <= DOTTED
    banded = [
        Banded(
            Series(label, f"line {style(place)}", tuple((at, middle) for at, middle, _, _ in points), highlight=dotted),
            tuple((at, low, high) for at, _, low, high in points),
        )
        for place, (label, points) in enumerate(curves.items())
    ]
    numbers = sorted({at for points in curves.values() for at, *_ in points})
    drawings = []
    if numbers:
        y = accuracy_axis(value for points in curves.values() for _, *values in points for value in values)
        for size in sizes:
            x = axis("round", (numbers[0], numbers[-1]), ROUNDS, count=x_count(size[0]), widen=False)
            drawings.append(banded_chart(banded, x, y, size))
    by_round = {label: {at: middle for at, middle, _, _ in points} for label, points in curves.items()}
    return Chart(
        name=names[0],
        title=names[1],
        description="The line is the median over the seeds, the band reaches from the lowest to the highest. "
        "The closing round, in which clients learn from the last aggregate, comes after it.",
        legend=_legend(curves),
        drawings=tuple(drawings),
        columns=("round", *curves),
        rows=tuple((str(at), *(table.percent(each.get(at)) for each in by_round.values())) for at in numbers),
    )


def cost_chart(runs: Runs) -> Chart:
    """Draw every variant's accuracy by the bytes that a client has exchanged so far."""
    series, rows = [], []
    for place, (label, found) in enumerate(runs.items()):
        costs = {at: middle for at, middle, _, _ in _over_seeds(found.values(), scores.bytes_so_far)}
        points = [
            (costs[at], middle) for at, middle, _, _ in _over_seeds(found.values(), scores.accuracies) if costs.get(at)
        ]
        series.append(Series(label, f"line {style(place)}", tuple(points), highlight=len(runs) <= DOTTED))
        rows += [(label, f"{round(cost):,}", table.percent(value)) for cost, value in points]
    everything = [point for one in series for point in one.points]
    drawings = []
    if everything:
        costs_ = [cost for cost, _ in everything]
        x = log_axis("bytes a client so far", (min(costs_), max(costs_)), byte_text, count=x_count(NARROW[0]))
        y = accuracy_axis(value for _, value in everything)
        drawings.append(banded_chart([Banded(one, ()) for one in series], x, y, NARROW))
    return Chart(
        name="cost",
        title="Accuracy by bytes",
        description="Up and down together, as encoded; each point is a round's end. The scale is logarithmic.",
        legend=_legend(runs),
        drawings=tuple(drawings),
        columns=("method", "bytes a client", "accuracy"),
        rows=tuple(rows),
    )


def target_chart(comparison: Comparison) -> Chart:
    """Draw the bytes that a client exchanged until the target was reached."""
    target = table.percent(comparison.target)
    found = [each.target_bytes for each in comparison.scores if each.target_bytes]
    scale = None
    if found:
        span = (max(1.0, min(each.low for each in found)), max(each.high for each in found))
        scale = log_axis("bytes a client", span, byte_text, count=3)
    return _rows(
        comparison,
        ("target", f"Bytes until {target}"),
        "Of the server's model or, where there is none, the mean client. A row without a dot: half of the seeds or "
        "more did not get there. The scale is logarithmic.",
        lambda score: score.target_bytes,
        scale,
        byte_text,
    )


def seconds_chart(comparison: Comparison) -> Chart:
    """Draw how long the runs took."""
    longest = max((each.seconds.high for each in comparison.scores if each.seconds), default=0.0)
    return _rows(
        comparison,
        ("seconds", "Time of a run"),
        "With as many other runs beside it as the command allowed.",
        lambda score: score.seconds,
        axis("seconds", (0.0, longest), Unit(), count=4),
        table.duration,
    )


def seeds_chart(comparison: Comparison) -> Chart:
    """Draw the accuracies at the end over the seeds."""
    return _rows(
        comparison,
        ("seeds", "Accuracy over the seeds"),
        "At the end, of the server's model or, where there is none, the mean client: lowest, median, highest.",
        lambda score: score.server or score.clients,
        _accuracy_scale([score.server or score.clients for score in comparison.scores]),
        table.percent,
    )


def clients_chart(comparison: Comparison) -> Chart:
    """Draw the accuracies at the end over the clients."""
    return _rows(
        comparison,
        ("clients", "Accuracy over the clients"),
        "At the end: worst, median and best client, each the median over the seeds.",
        _over_clients,
        _accuracy_scale([_over_clients(score) for score in comparison.scores]),
        table.percent,
    )


def _over_clients(score: Score) -> Spread | None:
    if score.worst is None or score.best is None:
        return None
    return Spread(median=score.middle, low=score.worst, high=score.best)


def _accuracy_scale(spreads: Sequence[Spread | None]) -> Axis | None:
    known = [value for each in spreads if each is not None for value in (each.low, each.high)]
    if not known:
        return None
    span = (max(0.0, min(*known, max(known) - 0.1)), max(known))
    return axis("accuracy on the test set", span, PERCENT, count=4)


def _rows(  # noqa: PLR0913, PLR0917 - one chart's choices
    comparison: Comparison,
    names: tuple[str, str],
    description: str,
    choose: Callable[[Score], Spread | None],
    scale: Axis | None,
    write: Callable[[float], str],
) -> Chart:
    rows: list[Row | str] = []
    lines = []
    for place, score in enumerate(comparison.scores):
        found = choose(score)
        if found is None:
            rows.append(score.label)
            lines.append((score.label, *(table.MISSING,) * 3))
            continue
        rows.append(Row(score.label, f"whisker {style(place)}", found.low, found.median, found.high))
        middle = table.MISSING if found.median is None else write(found.median)
        lines.append((score.label, write(found.low), middle, write(found.high)))
    return Chart(
        name=names[0],
        title=names[1],
        description=description,
        legend=(),
        drawings=(row_chart(rows, scale, NARROW[0]),) if scale and rows else (),
        columns=("method", "lowest", "median", "highest"),
        rows=tuple(lines),
    )


def _legend(labels: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((label, f"line {style(place)}") for place, label in enumerate(labels))


def _over_seeds(records: Iterable[Results], curve: Curve) -> list[Point]:
    """Return the rounds that every run has a figure for."""
    curves = [curve(record) for record in records]
    shared = sorted(set.intersection(*(set(each) for each in curves))) if curves else []
    points = []
    for at in shared:
        values = [each[at] for each in curves]
        points.append((at, median(values), min(values), max(values)))
    return points
