"""The closing table of a run."""

from rich.console import Console

from limbeck_lab.report.run_table import print_summary
from limbeck_lab.results.records import ClientSummary, Summary

FINISHED = Summary(
    state="finished",
    reason="all rounds are done",
    seconds=33.1,
    server_accuracy=0.91,
    clients=(
        ClientSummary(name="a", model="cnn", alone=0.74, federated=0.88, bytes_up=412_345, bytes_down=4_123_456),
        ClientSummary(name="[red]b", model="mlp", alone=0.9, federated=0.85, bytes_up=0, bytes_down=999),
        ClientSummary(name="c", model="forest"),
    ),
    bytes_counted="on the socket",
)


def test_the_closing_table_has_a_row_for_each_client_their_mean_and_the_server() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        print_summary(FINISHED, console)
    rows = {line.split()[0]: line.split()[1:] for line in capture.get().splitlines() if line.strip()}
    assert rows["a"] == ["cnn", "74.0", "%", "88.0", "%", "+14.0", "412", "kB", "4.1", "MB"]
    assert rows["[red]b"] == ["mlp", "90.0", "%", "85.0", "%", "-5.0", "0", "B", "999", "B"]
    assert rows["c"] == ["forest", "-", "-", "-", "-", "-"]
    assert rows["mean"] == ["82.0", "%", "86.5", "%", "+4.5", "206", "kB", "2.1", "MB"]
    assert rows["server's"] == ["model", "91.0", "%"]
    assert "finished: all rounds are done; 33.1 s in all" in capture.get()
    assert "on the socket" in capture.get()


def test_the_closing_table_of_nobody() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        print_summary(Summary(state="failed", seconds=0, bytes_counted="as encoded"), console)
    assert "failed; 0.0 s in all" in capture.get()


def test_metrics_beside_the_accuracy_are_named_with_their_means() -> None:
    clients = tuple(
        ClientSummary(name=name, model="cnn", federated=0.9, metrics=metrics)
        for name, metrics in (("a", {"local_accuracy": 0.95}), ("b", {"local_accuracy": 0.85, "r2": None}))
    )
    console = Console(width=100)
    with console.capture() as capture:
        print_summary(FINISHED.model_copy(update={"clients": clients}), console)
    assert "mean over the clients: local_accuracy 0.900" in capture.get()
    assert "r2" not in capture.get()
