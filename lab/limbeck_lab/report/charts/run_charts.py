"""The charts of a single run's report."""

from collections.abc import Mapping
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

_DOTS = 40  # a line of more points has no dots
_BARS = 60  # more rounds than this are drawn as lines: bars would be too thin to tell apart
_BAR = 0.38  # the width of a bar, in rounds
_MEAN, _SERVER = "mean of the clients", "server's model"
_STYLES = {
    _MEAN: ("blue", "o"),
    _SERVER: ("vermilion", "s"),
    "with the federation": ("blue", "o"),
    "alone": ("soft", "D"),
}


def accuracy_chart(results: Results) -> Chart:
    """Return accuracy by round: every client, their mean, and the server's model."""
    server, means = results.server_accuracies, results.mean_accuracies
    names = sorted({name for one in results.rounds for name in one.clients}, key=natural_order)
    clients = {
        name: {one.round: value for one in results.rounds if (value := one.accuracy(name)) is not None}
        for name in names
    }
    numbers = sorted({one.round for one in results.rounds} | set(server))
    by_round = {number: [line[number] for line in clients.values() if number in line] for number in numbers}
    shown = names if len(names) <= CLIENT_LINES else []
    main = {label: line for label, line in ((_MEAN, means), (_SERVER, server)) if line}
    rows = []
    for number, here in by_round.items():
        values = [server.get(number), means.get(number), min(here, default=None), max(here, default=None)]
        rows.append((str(number), *map(percent, values), *(percent(clients[name].get(number)) for name in shown)))
    chart = Chart(
        title="Accuracy by round",
        description=" ".join(change(label.capitalize(), list(line.values())) for label, line in main.items()),
        columns=("round", "server", "mean", "lowest", "highest", *shown),
        rows=tuple(rows),
        note="" if shown or not names else f"The values of all {len(names)} clients are in {FILE}.",
    )

    def plot(axes: Axes) -> None:
        scales.whole_numbers(axes, "round", numbers[0], numbers[-1])
        scales.accuracy(axes, "y", [value for line in (*main.values(), *clients.values()) for value in line.values()])
        if shown:
            _plot_clients(axes, {name: line for name, line in clients.items() if line})
        else:
            _plot_bands(axes, {number: here for number, here in by_round.items() if here})
        for label, line in main.items():
            _plot_line(axes, label, line)

    return drawn("accuracy", chart, plot, WIDE) if main else chart


def cost_chart(results: Results) -> Chart:
    """Return the accuracy of the server's model, or else of the mean client, by the bytes exchanged so far."""
    server = results.server_accuracies
    label, accuracies = (_SERVER, server) if server else (_MEAN, results.mean_accuracies)
    spent = accumulate(one.carried.total for one in results.rounds)
    totals = dict(zip((one.round for one in results.rounds), spent, strict=True))
    line = {total: accuracies[number] for number, total in totals.items() if number in accuracies}
    in_all = human_bytes(results.in_rounds.total)
    chart = Chart(
        title="Accuracy by bytes exchanged",
        description=f"{change(label.capitalize(), list(line.values()))} {in_all} in all." if line else "",
        columns=("round", "bytes so far", "accuracy"),
        rows=tuple(
            (str(number), f"{total:,}", percent(accuracies[number]))
            for number, total in totals.items()
            if number in accuracies
        ),
    )

    def plot(axes: Axes) -> None:
        scales.byte_counts(axes, "x", "bytes up and down so far", max(line))
        scales.accuracy(axes, "y", line.values())
        _plot_line(axes, label, line)

    return drawn("cost", chart, plot) if line else chart


def traffic_chart(results: Results) -> Chart:
    """Return bytes by round, up to the server and down to the clients."""
    numbers = [one.round for one in results.rounds]
    ups, downs = [one.bytes_up for one in results.rounds], [one.bytes_down for one in results.rounds]
    description = ""
    if numbers:
        up, down = human_bytes(median(ups)), human_bytes(median(downs))
        description = f"In the median round {up} went up and {down} came down."
    if results.summary is not None and results.summary.bytes_counted == "on the socket":
        description += " Bytes still on their way when a round closed count for the next one."
    chart = Chart(
        title="Bytes by round",
        description=description,
        columns=("round", "up", "down"),
        rows=tuple((str(one.round), f"{one.bytes_up:,}", f"{one.bytes_down:,}") for one in results.rounds),
    )

    def plot(axes: Axes) -> None:
        scales.whole_numbers(axes, "round", numbers[0] - 0.5, numbers[-1] + 0.5)
        scales.byte_counts(axes, "y", "bytes, all clients together", max(*ups, *downs))
        for side, counts, label, colour in (
            (-1, ups, "up, to the server", "blue"),
            (1, downs, "down, to the clients", "amber"),
        ):
            style: dict[str, Any] = {"label": label, "color": LIGHT[colour], "clip_on": False}
            if len(numbers) > _BARS:
                axes.plot(numbers, counts, **style)
            else:
                axes.bar([number + side * _BAR / 2 for number in numbers], counts, _BAR, **style)

    return drawn("traffic", chart, plot) if numbers else chart


def clients_chart(results: Results) -> Chart:
    """Return the clients' accuracies at the end in order of size: how far the worst is from the best."""
    alone = sorted(client.alone for client in results.clients if client.alone is not None)
    federated = sorted(client.federated for client in results.clients if client.federated is not None)
    lines = {label: values for label, values in (("alone", alone), ("with the federation", federated)) if values}
    chart = Chart(
        title="Accuracy over the clients",
        description=" ".join(
            f"{label.capitalize()}: worst {percent(values[0])}, median {percent(median(values))}, "
            f"best {percent(values[-1])}."
            for label, values in lines.items()
        ),
        columns=("from the worst", "alone", "federated"),
        rows=tuple((str(place), *map(percent, pair)) for place, pair in enumerate(zip_longest(alone, federated), 1)),
        note="Each column is sorted by itself.",
    )

    def plot(axes: Axes) -> None:
        scales.whole_numbers(axes, "clients, from the worst to the best", 1, max(map(len, lines.values())))
        scales.accuracy(axes, "y", alone + federated)
        for label, values in lines.items():
            _plot_line(axes, label, dict(enumerate(values, 1)))

    return drawn("clients", chart, plot, WIDE) if lines else chart


def _plot_line(axes: Axes, label: str, line: Mapping[int, float]) -> None:
    """Plot a line that matters, with dots where they have room."""
    colour, marker = _STYLES[label]
    style: dict[str, Any] = {"color": LIGHT[colour], "marker": marker if len(line) <= _DOTS else ""}
    axes.plot(list(line), list(line.values()), label=label, linewidth=2.6, clip_on=False, zorder=3, **style)


def _plot_clients(axes: Axes, clients: Mapping[str, Mapping[int, float]]) -> None:
    """Plot a thin line for each client; one line of the legend stands for all."""
    label = f"each of {len(clients)} clients"
    for name, line in clients.items():
        style: dict[str, Any] = {"color": LIGHT["grey"], "marker": "o" if len(line) == 1 else "", "markersize": 4}
        axes.plot(list(line), list(line.values()), label=label, gid=titled(name), linewidth=1.1, clip_on=False, **style)
        label = ""


def _plot_bands(axes: Axes, by_round: Mapping[int, list[float]]) -> None:
    """Plot the range of many clients' accuracies, and of the middle half of them."""
    cuts = [quantiles(here * 2 if len(here) == 1 else here, n=4, method="inclusive") for here in by_round.values()]
    bands = {
        "all clients": ([min(here) for here in by_round.values()], [max(here) for here in by_round.values()], 0.25),
        "middle half": ([cut[0] for cut in cuts], [cut[-1] for cut in cuts], 0.5),
    }
    for label, (lows, highs, alpha) in bands.items():
        style: dict[str, Any] = {"color": LIGHT["grey"], "alpha": alpha, "linewidth": 0, "clip_on": False}
        axes.fill_between(list(by_round), lows, highs, label=label, **style)
