"""A run's closing table on the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from limbeck_lab.format import duration, human_bytes, percent, points
from limbeck_lab.results.records import Summary, mean


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
        human_bytes(mean(client.bytes_up for client in clients)),
        human_bytes(mean(client.bytes_down for client in clients)),
        style="bold",
    )
    table.add_row("server's model", "", "", percent(summary.server_accuracy))
    out = console or Console()
    out.print(table)
    reason = f": {summary.reason}" if summary.reason else ""
    out.print(Text(f"{summary.state}{reason}; {duration(summary.seconds)} in all"))
    means = "; means are over the clients with a value" if any(client.gain is None for client in clients) else ""
    out.print(
        Text(
            f"accuracy on the test set; gain in points; bytes up and down {summary.bytes_counted}{means}",
            style="dim",
        )
    )
    names = sorted({name for client in clients for name in client.metrics})
    known = [(name, mean(client.metrics.get(name) for client in clients)) for name in names]
    said = [f"{name} {value:.3f}" for name, value in known if value is not None]
    if said:
        out.print(Text(f"mean over the clients: {', '.join(said)}", style="dim"))


def _signed(gain: float | None) -> Text:
    style = "" if gain is None else "green" if gain >= 0 else "red"
    return Text(points(gain), style=style)
