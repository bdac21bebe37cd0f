"""A run folder's report.html: one file that holds everything it shows and asks nobody for anything."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from limbeck_common.errors import DataError
from limbeck_lab import results, table
from limbeck_lab.chart import Axis, Drawing, Series, Unit, axis, bar_chart, line_chart, x_count
from limbeck_lab.results import ClientSummary, Results

WIDE, NARROW = (920, 360), (440, 300)

CLIENT_COLUMNS = 24
"""With more clients than this, their lines turn pale and the table shows their mean and extremes alone."""

BARS_AT_MOST = 60
"""More rounds than this are drawn as lines, as bars would be too thin to tell apart."""

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


def write_report(run: Path) -> Path:
    """Write `report.html` into the run folder and return its path.

    Raises:
        DataError: the folder, its settings.json or a line of its metrics.jsonl cannot be read.
    """
    record = results.read(run)
    settings = _settings(run / "settings.json")
    environment = Environment(
        loader=PackageLoader("limbeck_lab", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": table.percent,
        "points": table.points,
        "bytes": table.human_bytes,
        "duration": table.duration,
    }
    page = environment.get_template("report.html.j2").render(
        name=_text(settings, "spec", "name") or run.resolve().name,
        method=_text(settings, "spec", "method", "name"),
        dataset=_text(settings, "spec", "data", "dataset"),
        results=record,
        totals=_totals(record),
        charts=[accuracy_chart(record), cost_chart(record), traffic_chart(record)],
        extremes=_extremes(record.clients),
        settings=json.dumps(settings, indent=2, ensure_ascii=False),
    )
    path = run / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing", expected="a run folder with its settings") from None
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise DataError(f"{path} holds a {type(settings).__name__}", expected="a JSON object")
    return settings


def _text(settings: Any, *keys: str) -> str | None:
    for key in keys:
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings if isinstance(settings, str) and settings else None


def _totals(record: Results) -> dict[str, Any]:
    """Take the headline figures from the summary where it has them, else from the rounds."""
    clients, summary = record.clients, record.summary
    served = [line.accuracy for line in record.server if line.accuracy is not None]
    server = summary.server_accuracy if summary else None
    up = [client.bytes_up for client in clients if client.bytes_up is not None]
    down = [client.bytes_down for client in clients if client.bytes_down is not None]
    if not clients or min(len(up), len(down)) < len(clients):
        up, down = [one.bytes_up for one in record.rounds], [one.bytes_down for one in record.rounds]
    return {
        "server": served[-1] if server is None and served else server,
        "alone": table.mean(client.alone for client in clients),
        "federated": table.mean(client.federated for client in clients),
        "gain": table.mean(client.gain for client in clients),
        "partial": any(client.gain is None for client in clients),
        "up": sum(up),
        "down": sum(down),
        "counted": summary.bytes_counted if summary else None,
        "seconds": summary.seconds if summary else sum(one.seconds for one in record.rounds),
    }


def _extremes(clients: Sequence[ClientSummary]) -> list[tuple[str, list[float | None]]]:
    """Worst, median and best of each accuracy column by itself."""
    columns = [
        [figure for figure in column if figure is not None]
        for column in (
            [client.alone for client in clients],
            [client.federated for client in clients],
            [client.gain for client in clients],
        )
    ]
    return [
        (name, [choose(column) if column else None for column in columns])
        for name, choose in (("worst", min), ("median", median), ("best", max))
    ]


def _mean_by_round(record: Results) -> dict[int, float]:
    means = {one.round: table.mean(one.accuracy(name) for name in one.clients) for one in record.rounds}
    return {number: value for number, value in means.items() if value is not None}


def _server_by_round(record: Results) -> dict[int, float]:
    return {line.round: line.accuracy for line in record.server if line.accuracy is not None}


def _accuracy_axis(values: Iterable[float]) -> Axis:
    """At least ten points high, so that noise does not look like progress."""
    known = list(values)
    low, high = min(known), max(known)
    span = (max(0.0, min(low, high - 0.1)), max(high, 0.1))
    return axis("accuracy on the test set", span, PERCENT, count=7)


def _change(label: str, points: Sequence[tuple[float, float]]) -> str:
    first, last = points[0][1], points[-1][1]
    if len(points) == 1:
        return f"{label}: {table.percent(first)}."
    return f"{label}: from {table.percent(first)} to {table.percent(last)}."


def accuracy_chart(record: Results) -> Chart:
    """Accuracy by round: every client, their mean, the server's model."""
    server, means = _server_by_round(record), _mean_by_round(record)
    names = sorted({name for one in record.rounds for name in one.clients}, key=results.natural_order)
    by_client = {
        name: {one.round: value for one in record.rounds if (value := one.accuracy(name)) is not None} for name in names
    }
    style = "client" if len(names) <= CLIENT_COLUMNS else "client crowd"
    lines = [Series(name, style, tuple(by_client[name].items())) for name in names if by_client[name]]
    legend = [(f"each of {len(lines)} clients", "client")] if lines else []
    mean = Series("mean of the clients", "mean", tuple(means.items()), highlight=True)
    ours = Series("server's model", "server", tuple(server.items()), highlight=True)
    main = [series for series in (mean, ours) if series.points]
    everything = [*lines, *main]
    numbers = sorted({one.round for one in record.rounds} | set(server))
    shown = names if len(names) <= CLIENT_COLUMNS else []
    rows = []
    for number in numbers:
        here = [value for name in names if (value := by_client[name].get(number)) is not None]
        figures = [server.get(number), means.get(number), min(here, default=None), max(here, default=None)]
        figures += [by_client[name].get(number) for name in shown]
        rows.append((str(number), *map(table.percent, figures)))
    drawings = []
    if everything:
        y = _accuracy_axis(value for series in everything for _, value in series.points)
        span = (float(numbers[0]), float(numbers[-1]))
        for size in (WIDE, NARROW):
            x = axis("round", span, ROUNDS, count=x_count(size[0]), widen=False)
            drawings.append(line_chart(everything, x, y, size))
    return Chart(
        name="accuracy",
        title="Accuracy by round",
        description=" ".join(_change(series.label.capitalize(), series.points) for series in main),
        legend=(*legend, *((series.label, series.style) for series in main)),
        drawings=tuple(drawings),
        columns=("round", "server", "mean", "lowest", "highest", *shown),
        rows=tuple(rows),
        note="" if shown or not names else f"All {len(names)} clients' figures are in {results.FILE}.",
    )


def _byte_axis(title: str, largest: int, *, count: int = 5) -> Axis:
    power = min((len(str(largest)) - 1) // 3, len(table.BYTE_UNITS) - 1)
    unit = Unit(scale=1000.0**-power, whole=True)
    return axis(f"{title}, {table.BYTE_UNITS[power]}", (0, max(largest, 1)), unit, count=count)


def cost_chart(record: Results) -> Chart:
    """Accuracy of the server's model, or of the mean client, by all the bytes it took so far."""
    server = _server_by_round(record)
    label, style = ("server's model", "server") if server else ("mean of the clients", "mean")
    accuracies = server or _mean_by_round(record)
    spent = list(accumulate(one.bytes_up + one.bytes_down for one in record.rounds))
    reached = [
        (one.round, total, accuracies[one.round])
        for one, total in zip(record.rounds, spent, strict=True)
        if one.round in accuracies
    ]
    series = Series(label, style, tuple((total, value) for _, total, value in reached), highlight=True)
    drawings = []
    if reached:
        x = _byte_axis("bytes up and down so far", spent[-1], count=x_count(NARROW[0]))
        drawings.append(line_chart([series], x, _accuracy_axis(value for _, _, value in reached), NARROW))
    return Chart(
        name="cost",
        title="Accuracy by bytes exchanged",
        description=f"{_change(label.capitalize(), series.points)} {table.human_bytes(spent[-1])} in all."
        if reached
        else "",
        legend=((label, style),),
        drawings=tuple(drawings),
        columns=("round", "bytes so far", "accuracy"),
        rows=tuple((str(number), f"{total:,}", table.percent(value)) for number, total, value in reached),
    )


def traffic_chart(record: Results) -> Chart:
    """Bytes by round, up to the server and down to the clients."""
    rounds = record.rounds
    crowded = len(rounds) > BARS_AT_MOST
    suffix, draw = ("-line", line_chart) if crowded else ("", bar_chart)
    up = Series("up, to the server", f"up{suffix}", tuple((one.round, one.bytes_up) for one in rounds))
    down = Series("down, to the clients", f"down{suffix}", tuple((one.round, one.bytes_down) for one in rounds))
    drawings = []
    description = ""
    if rounds:
        span = (rounds[0].round - 0.5, rounds[-1].round + 0.5)
        x = axis("round", span, ROUNDS, count=x_count(NARROW[0]), widen=False)
        y = _byte_axis("bytes, all clients", max(max(one.bytes_up, one.bytes_down) for one in rounds))
        drawings.append(draw([up, down], x, y, NARROW))
        ups, downs = (round(median(count for _, count in series.points)) for series in (up, down))
        description = f"In the median round {table.human_bytes(ups)} went up and {table.human_bytes(downs)} came down."
    return Chart(
        name="traffic",
        title="Bytes by round",
        description=description,
        legend=((up.label, up.style), (down.label, down.style)),
        drawings=tuple(drawings),
        columns=("round", "up", "down"),
        rows=tuple((str(one.round), f"{one.bytes_up:,}", f"{one.bytes_down:,}") for one in rounds),
    )
