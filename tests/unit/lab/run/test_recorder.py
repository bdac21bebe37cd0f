"""From events to records, and to lines on the screen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from limbeck_lab.results.byte_count import ByteCount
from limbeck_lab.results.metrics_file import read
from limbeck_lab.run.clients import Client
from limbeck_lab.run.federation_events import FederationEvent
from limbeck_lab.run.lab_run import LabRun
from limbeck_lab.run.recorder import Recorder
from limbeck_server.settings import Settings

CLIENTS = [Client("a", "cnn", 0), Client("b", "mlp", 1)]


def event(kind: str, at: float, **fields: Any) -> FederationEvent:
    return FederationEvent(kind, at, **fields)


def uplink(client: str, number: int, **metrics: float) -> FederationEvent:
    return event("uplink_accepted", number + 0.5, round=number, client=client, metrics=metrics)


def opened(number: int) -> FederationEvent:
    return event("opened", float(number), round=number, participants=("a", "b"))


def follow(folder: Path, events: list[FederationEvent], *, has_model: bool) -> tuple[Recorder, list[str], list[int]]:
    shown: list[str] = []
    closed: list[int] = []
    run = LabRun(Settings(), CLIENTS, folder, 1, alone=False, show=shown.append, closed=closed.append)
    recorder = Recorder(run, lambda number: ByteCount(1000 * number, 20 * number), has_model=has_model)

    async def stream() -> AsyncIterator[FederationEvent]:
        for each in events:
            yield each

    asyncio.run(recorder.follow(stream()))
    return recorder, shown, closed


def test_a_round_is_recorded_with_its_clients_seconds_and_bytes(tmp_path: Path) -> None:
    events = [
        opened(1),
        uplink("a", 1, accuracy=0.5, loss=2.0),
        uplink("b", 1),
        event("aggregated", 3.5, round=1),
        opened(2),
        uplink("a", 2, accuracy=0.75),
        event("aggregated", 4.0, round=2),
    ]
    recorder, shown, closed = follow(tmp_path, events, has_model=False)
    first, second = read(tmp_path).rounds
    assert (first.round, first.seconds, first.uplinks, first.participants) == (1, 2.5, 2, 2)
    assert (first.bytes_up, first.bytes_down) == (1000, 20)
    assert first.clients == {"a": {"accuracy": 0.5, "loss": 2.0}, "b": {}}
    assert (second.uplinks, second.clients) == (1, {"a": {"accuracy": 0.75}})
    assert closed == [1, 2]
    assert shown == [
        "round   1  2/2 uplinks   2.5 s  clients  50.0 %  up   1.0 kB  down     20 B",
        "round   2  1/2 uplinks   2.0 s  clients  75.0 %  up   2.0 kB  down     40 B",
    ]
    assert recorder.final == {"a": 0.75}


def test_a_round_waits_for_the_servers_accuracy_before_it_is_shown(tmp_path: Path) -> None:
    events = [
        opened(1),
        event("aggregated", 2.0, round=1),
        opened(2),
        event("aggregated", 3.0, round=2),
        event("evaluated", 3.5, round=1, metrics={"accuracy": 0.5, "loss": 1.0, "seconds": 0.25}),
    ]
    recorder, shown, closed = follow(tmp_path, events, has_model=True)
    assert closed == [1, 2]
    assert shown[0].startswith("round   1 ")
    assert shown[0].endswith("server  50.0 %")
    assert shown[1].startswith("round   2 ")
    assert "server" not in shown[1]
    (server,) = read(tmp_path).server
    assert (server.round, server.accuracy, server.loss, server.seconds) == (1, 0.5, 1.0, 0.25)
    assert recorder.server_accuracy == 0.5


def test_disagreement_is_recorded(tmp_path: Path) -> None:
    follow(tmp_path, [event("disagreement_measured", 1.0, round=3, metrics={"a": 0.25})], has_model=False)
    disagreement = read(tmp_path).disagreement
    assert disagreement is not None
    assert (disagreement.round, disagreement.clients) == (3, {"a": 0.25})


def test_the_summary_tells_the_end_and_each_client(tmp_path: Path) -> None:
    end = event("ended", 9.0, state="stopped", reason="an operator: enough")
    recorder, _, _ = follow(tmp_path, [opened(1), uplink("a", 1, accuracy=0.5), end], has_model=True)
    carried = {"a": ByteCount(1, 2), "b": ByteCount(3, 4)}
    summary = recorder.summarise({"a": 0.25}, carried, 12.5, "as encoded")
    assert read(tmp_path).summary == summary
    assert (summary.state, summary.reason, summary.seconds) == ("stopped", "an operator: enough", 12.5)
    first, second = summary.clients
    assert (first.name, first.model, first.alone, first.federated) == ("a", "cnn", 0.25, 0.5)
    assert (second.alone, second.federated, second.bytes_up, second.bytes_down) == (None, None, 3, 4)


def test_a_federation_whose_events_break_off_has_failed(tmp_path: Path) -> None:
    recorder, _, _ = follow(tmp_path, [opened(1)], has_model=True)
    summary = recorder.summarise({}, {"a": ByteCount(), "b": ByteCount()}, 1.0, "on the socket")
    assert (summary.state, summary.reason) == ("failed", "interrupted")
