"""The closing table on the terminal, and how people read our figures."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck_lab.run.results import Summary, mean

BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")
MISSING = "-"


def percent(accuracy: float | None) -> str:
    """Write an accuracy: 88.0 %."""
    return MISSING if accuracy is None else f"{100 * accuracy:.1f} %"


def points(gain: float | None) -> str:
    """Write a difference of accuracies in percentage points, always with its sign: +14.0."""
    return MISSING if gain is None else f"{round(100 * gain, 1) + 0.0:+.1f}"


def human_bytes(count: int | None) -> str:
    """Write a number of bytes in decimal units: 412 kB."""
    if count is None:
        return MISSING
    if count < 1000:  # noqa: PLR2004 - the first unit's end
        return f"{count} B"
    value = float(count)
    for unit in BYTE_UNITS:
        if round(value) < 1000 or unit == BYTE_UNITS[-1]:  # noqa: PLR2004
            break
        value /= 1000
    return f"{value:.1f} {unit}" if round(value, 1) < 10 else f"{value:.0f} {unit}"  # noqa: PLR2004


def duration(seconds: float) -> str:
    """Write a time span: 33.1 s, 12 min 05 s, 2 h 07 min."""
    if seconds < 99.95:  # noqa: PLR2004 - what rounds to 100.0 is written in minutes
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left:02} min" if hours else f"{minutes} min {rest:02} s"


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Print a row for each client, their mean, the server's model, and how the run ended."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("client", overflow="fold")
    table.add_column("model", overflow="fold")
    for heading in ("alone", "federated", "gain", "up", "down"):
        table.add_column(heading, justify="right", no_wrap=True)
    clients = summary.clients
    for client in clients:
        table.add_row(
            Text(client.name),
            Text(client.model),
            percent(client.alone),
            percent(client.federated),
            _signed(client.gain),
            human_bytes(client.bytes_up),
            human_bytes(client.bytes_down),
        )
    table.add_section()
    table.add_row(
        Text("mean"),
        Text(""),
        percent(mean(client.alone for client in clients)),
        percent(mean(client.federated for client in clients)),
        _signed(mean(client.gain for client in clients)),
        human_bytes(_whole(mean(client.bytes_up for client in clients))),
        human_bytes(_whole(mean(client.bytes_down for client in clients))),
        style="bold",
    )
    table.add_row("server's model", "", "", percent(summary.server_accuracy))
    out = console or Console()
    out.print(table)
    reason = f": {summary.reason}" if summary.reason else ""
    out.print(Text(f"{summary.state}{reason}; {duration(summary.seconds)} in all"))
    means = "; means of the figures that are there" if any(client.gain is None for client in clients) else ""
    out.print(
        Text(
            f"accuracy on the test set; gain in points; bytes up and down {summary.bytes_counted}{means}",
            style="dim",
        )
    )


def _signed(gain: float | None) -> Text:
    style = "" if gain is None else "green" if gain >= 0 else "red"
    return Text(points(gain), style=style)


def _whole(figure: float | None) -> int | None:
    return None if figure is None else round(figure)
