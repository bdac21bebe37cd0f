"""The charts of a single run's report."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, zip_longest
from statistics import median, quantiles
from typing import Any

from matplotlib.axes import Axes

from limbeck_lab.format import human_bytes, percent
from limbeck_lab.report.charts import scales
from limbeck_lab.report.charts.chart import Chart, change, drawn
from limbeck_lab.report.charts.colours import LIGHT
from limbeck_lab.report.charts.drawing import WIDE, titled
from limbeck_lab.results.metrics_file import FILE
from limbeck_lab.results.records import Results, natural_order

CLIENT_LINES = 24
"""With more clients than this, bands stand for their lines, and the table leaves out their columns."""

_DOTS = 40
"""A line of more points has no dots."""

_BARS = 60
"""More rounds than this are drawn as lines: bars would be too thin to tell apart."""

_BAR = 0.38  # its width, in rounds

MEAN, SERVER = "mean of the clients", "server's model"


def accuracy_chart(results: Results) -> Chart:
    """Return accuracy by round: every client, their mean, and the server's model."""
    server, means = results.server_accuracies, results.mean_accuracies
    names = sorted({name for one in results.rounds for name in one.clients}, key=natural_order)
    clients = {
        name: {one.round: value for one in results.rounds if (value := one.accuracy(name)) is not None}
        for name in names
    }
    numbers = sorted({one.round for one in results.rounds} | set(server))
    by_round = {number: [each[number] for each in clients.values() if number in each] for number in numbers}
    shown = names if len(names) <= CLIENT_LINES else []
    main = {label: line for label, line in ((MEAN, means), (SERVER, server)) if line}
    chart = Chart(
        title="Accuracy by round",
        description=" ".join(change(label.capitalize(), list(line.values())) for label, line in main.items()),
        columns=("round", "server", "mean", "lowest", "highest", *shown),
        rows=tuple(
            (
                str(number),
                percent(server.get(number)),
                percent(means.get(number)),
                percent(min(here, default=None)),
                percent(max(here, default=None)),
                *(percent(clients[name].get(number)) for name in shown),
            )
            for number, here in by_round.items()
        ),
        note="" if shown or not names else f"The values of all {len(names)} clients are in {FILE}.",
    )
    if not main:
        return chart

    def plot(axes: Axes) -> None:
        scales.rounds_along_x(axes, numbers[0], numbers[-1])
        scales.accuracy_along_y(
            axes, [value for line in (*main.values(), *clients.values()) for value in line.values()]
        )
        if shown:
            _plot_clients(axes, {name: line for name, line in clients.items() if line})
        else:
            _plot_bands(axes, {number: here for number, here in by_round.items() if here})
        if means:
            axes.plot(*_points(means), label=MEAN, **_strong("blue", "o", len(means)))
        if server:
            axes.plot(*_points(server), label=SERVER, **_strong("vermilion", "s", len(server)))

    return drawn("accuracy", chart, plot, WIDE)


def cost_chart(results: Results) -> Chart:
    """Return the accuracy of the server's model, or else of the mean client, by the bytes exchanged so far."""
    server = results.server_accuracies
    label, accuracies = (SERVER, server) if server else (MEAN, results.mean_accuracies)
    spent = accumulate(one.carried.total for one in results.rounds)
    reached = [
        (one.round, total, accuracies[one.round])
        for one, total in zip(results.rounds, spent, strict=True)
        if one.round in accuracies
    ]
    values = [value for _, _, value in reached]
    in_all = human_bytes(results.in_rounds.total)
    chart = Chart(
        title="Accuracy by bytes exchanged",
        description=f"{change(label.capitalize(), values)} {in_all} in all." if values else "",
        columns=("round", "bytes so far", "accuracy"),
        rows=tuple((str(number), f"{total:,}", percent(value)) for number, total, value in reached),
    )
    if not values:
        return chart

    def plot(axes: Axes) -> None:
        scales.bytes_along_x(axes, "bytes up and down so far", reached[-1][1])
        scales.accuracy_along_y(axes, values)
        style = _strong("vermilion", "s", len(values)) if server else _strong("blue", "o", len(values))
        axes.plot([total for _, total, _ in reached], values, label=label, **style)

    return drawn("cost", chart, plot)


def traffic_chart(results: Results) -> Chart:
    """Return bytes by round, up to the server and down to the clients."""
    rounds = results.rounds
    numbers = [one.round for one in rounds]
    ups, downs = [one.bytes_up for one in rounds], [one.bytes_down for one in rounds]
    description = ""
    if rounds:
        up, down = human_bytes(median(ups)), human_bytes(median(downs))
        description = f"In the median round {up} went up and {down} came down."
        if results.summary is not None and results.summary.bytes_counted == "on the socket":
            description += " Bytes still on their way when a round closed count for the next one."
    chart = Chart(
        title="Bytes by round",
        description=description,
        columns=("round", "up", "down"),
        rows=tuple((str(one.round), f"{one.bytes_up:,}", f"{one.bytes_down:,}") for one in rounds),
    )
    if not rounds:
        return chart

    def plot(axes: Axes) -> None:
        scales.rounds_along_x(axes, numbers[0], numbers[-1], beyond=0.5)
        scales.bytes_along_y(axes, "bytes, all clients together", max(*ups, *downs))
        for shift, counts, label, colour in (
            (-_BAR / 2, ups, "up, to the server", LIGHT["blue"]),
            (_BAR / 2, downs, "down, to the clients", LIGHT["amber"]),
        ):
            if len(rounds) > _BARS:
                axes.plot(numbers, counts, label=label, color=colour, clip_on=False)
            else:
                places = [number + shift for number in numbers]
                axes.bar(places, counts, _BAR, label=label, color=colour, clip_on=False)

    return drawn("traffic", chart, plot)


def clients_chart(results: Results) -> Chart:
    """Return the clients' accuracies at the end in order of size: how far the worst is from the best."""
    alone, federated = (
        sorted(value for value in column if value is not None)
        for column in ([one.alone for one in results.clients], [one.federated for one in results.clients])
    )
    lines = {label: line for label, line in (("alone", alone), ("with the federation", federated)) if line}
    chart = Chart(
        title="Accuracy over the clients",
        description=" ".join(
            f"{label.capitalize()}: worst {percent(line[0])}, median {percent(median(line))}, best {percent(line[-1])}."
            for label, line in lines.items()
        ),
        columns=("from the worst", "alone", "federated"),
        rows=tuple(
            (str(place), percent(low), percent(high))
            for place, (low, high) in enumerate(zip_longest(alone, federated), 1)
        ),
        note="Each column is sorted by itself.",
    )
    if not lines:
        return chart

    def plot(axes: Axes) -> None:
        scales.whole_numbers_along_x(axes, "clients, from the worst to the best", 1, max(map(len, lines.values())))
        scales.accuracy_along_y(axes, alone + federated)
        for label, line in lines.items():
            style = _strong("soft", "D", len(line)) if label == "alone" else _strong("blue", "o", len(line))
            axes.plot(range(1, len(line) + 1), line, label=label, **style)

    return drawn("clients", chart, plot)


def _plot_clients(axes: Axes, clients: Mapping[str, Mapping[int, float]]) -> None:
    """Plot a thin line for each client; one line of the legend stands for all."""
    label = f"each of {len(clients)} clients"
    for name, line in clients.items():
        mark = "o" if len(line) == 1 else ""
        style: dict[str, Any] = {"color": LIGHT["grey"], "linewidth": 1.1, "marker": mark, "markersize": 4}
        axes.plot(*_points(line), label=label, gid=titled(name), clip_on=False, **style)
        label = ""


def _plot_bands(axes: Axes, by_round: Mapping[int, Sequence[float]]) -> None:
    """Plot the range of many clients' accuracies, and of the middle half of them."""
    numbers = list(by_round)
    lows, highs = [min(here) for here in by_round.values()], [max(here) for here in by_round.values()]
    style: dict[str, Any] = {"color": LIGHT["grey"], "linewidth": 0, "clip_on": False}
    axes.fill_between(numbers, lows, highs, label="all clients", alpha=0.25, **style)
    quarters = [_quarters(here) for here in by_round.values()]
    lows, highs = [low for low, _ in quarters], [high for _, high in quarters]
    axes.fill_between(numbers, lows, highs, label="middle half", alpha=0.5, **style)


def _quarters(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and the third quartile."""
    if len(values) == 1:
        return values[0], values[0]
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def _points(line: Mapping[int, float]) -> tuple[list[int], list[float]]:
    return list(line), list(line.values())


def _strong(colour: str, marker: str, points: int) -> dict[str, Any]:
    """Return the style of a line that matters, with dots where they have room."""
    return {
        "color": LIGHT[colour],
        "linewidth": 2.6,
        "marker": marker if points <= _DOTS else "",
        "markersize": 7.5,
        "markeredgecolor": LIGHT["card"],
        "clip_on": False,
        "zorder": 3,
    }
