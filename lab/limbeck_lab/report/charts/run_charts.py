"""The charts of a single run's report."""

from itertools import accumulate, zip_longest
from statistics import median

from limbeck_lab.report import table
from limbeck_lab.report.chart import Series, axis, bar_chart, line_chart, x_count
from limbeck_lab.report.figure import NARROW, ROUNDS, WIDE, Chart, accuracy_axis, byte_axis, change
from limbeck_lab.run import results
from limbeck_lab.run.results import Results

CLIENT_COLUMNS = 24
"""With more clients than this, their lines turn pale and the table shows their mean and extremes alone."""

BARS_AT_MOST = 60
"""More rounds than this are drawn as lines, as bars would be too thin to tell apart."""


def accuracy_chart(record: Results) -> Chart:
    """Accuracy by round: every client, their mean, the server's model."""
    server, means = record.served, record.means
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
        y = accuracy_axis(value for series in everything for _, value in series.points)
        span = (float(numbers[0]), float(numbers[-1]))
        for size in (WIDE, NARROW):
            x = axis("round", span, ROUNDS, count=x_count(size[0]), widen=False)
            drawings.append(line_chart(everything, x, y, size))
    return Chart(
        name="accuracy",
        title="Accuracy by round",
        description=" ".join(change(series.label.capitalize(), series.points) for series in main),
        legend=(*legend, *((series.label, series.style) for series in main)),
        drawings=tuple(drawings),
        columns=("round", "server", "mean", "lowest", "highest", *shown),
        rows=tuple(rows),
        note="" if shown or not names else f"All {len(names)} clients' figures are in {results.FILE}.",
    )


def cost_chart(record: Results) -> Chart:
    """Accuracy of the server's model, or of the mean client, by all the bytes it took so far."""
    server = record.served
    label, style = ("server's model", "server") if server else ("mean of the clients", "mean")
    accuracies = server or record.means
    spent = list(accumulate(one.bytes_up + one.bytes_down for one in record.rounds))
    reached = [
        (one.round, total, accuracies[one.round])
        for one, total in zip(record.rounds, spent, strict=True)
        if one.round in accuracies
    ]
    series = Series(label, style, tuple((total, value) for _, total, value in reached), highlight=True)
    drawings = []
    if reached:
        x = byte_axis("bytes up and down so far", spent[-1], count=x_count(NARROW[0]))
        drawings.append(line_chart([series], x, accuracy_axis(value for _, _, value in reached), NARROW))
    return Chart(
        name="cost",
        title="Accuracy by bytes exchanged",
        description=f"{change(label.capitalize(), series.points)} {table.human_bytes(spent[-1])} in all."
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
        y = byte_axis("bytes, all clients", max(max(one.bytes_up, one.bytes_down) for one in rounds))
        drawings.append(draw([up, down], x, y, NARROW))
        ups, downs = (round(median(count for _, count in series.points)) for series in (up, down))
        description = f"In the median round {table.human_bytes(ups)} went up and {table.human_bytes(downs)} came down."
        if record.summary is not None and record.summary.bytes_counted == "on the socket":
            description += " What was on its way on a socket as a round closed counts for the next one."
    return Chart(
        name="traffic",
        title="Bytes by round",
        description=description,
        legend=((up.label, up.style), (down.label, down.style)),
        drawings=tuple(drawings),
        columns=("round", "up", "down"),
        rows=tuple((str(one.round), f"{one.bytes_up:,}", f"{one.bytes_down:,}") for one in rounds),
    )


def clients_chart(record: Results) -> Chart:
    """The clients' accuracies at the end in order of size: how far the worst is from the best."""
    alone, federated = (
        sorted(figure for figure in column if figure is not None)
        for column in ([one.alone for one in record.clients], [one.federated for one in record.clients])
    )
    series = [
        Series(label, style, tuple(enumerate(figures, 1)), highlight=True)
        for label, style, figures in (("alone", "client", alone), ("with the federation", "mean", federated))
        if figures
    ]
    drawings = []
    if series:
        y = accuracy_axis(alone + federated)
        count = max(len(alone), len(federated))
        x = axis("clients, from the worst to the best", (1, count), ROUNDS, count=x_count(NARROW[0]), widen=False)
        drawings.append(line_chart(series, x, y, NARROW))
    return Chart(
        name="clients",
        title="Accuracy over the clients",
        description=" ".join(
            f"{one.label.capitalize()}: worst {table.percent(one.points[0][1])},"
            f" median {table.percent(median(value for _, value in one.points))},"
            f" best {table.percent(one.points[-1][1])}."
            for one in series
        ),
        legend=tuple((one.label, one.style) for one in series),
        drawings=tuple(drawings),
        columns=("from the worst", "alone", "federated"),
        rows=tuple(
            (str(place), table.percent(low), table.percent(high))
            for place, (low, high) in enumerate(zip_longest(alone, federated), 1)
        ),
        note="Each column is in order by itself.",
    )
