"""From events to `metrics.jsonl`, and to one line per round on the screen."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Literal

from limbeck_lab.format import duration, human_bytes, percent
from limbeck_lab.results.byte_count import ByteCount
from limbeck_lab.results.metrics_file import append
from limbeck_lab.results.records import (
    ClientSummary,
    DisagreementRecord,
    RoundRecord,
    ServerRecord,
    Summary,
    mean,
)
from limbeck_lab.run.federation_events import FederationEvent
from limbeck_lab.run.lab_run import LabRun
from limbeck_lab.run.on_round import Round


class Recorder:
    """Records one federation as it goes on.

    `count` returns the bytes of a round that has been aggregated. `has_model` says whether the server has a model of
    its own, whose accuracy completes each round's line on the screen.
    """

    def __init__(self, run: LabRun, count: Callable[[int], ByteCount], *, has_model: bool) -> None:
        self.final: dict[str, float] = {}  # each client's last accuracy
        self.server_accuracy: float | None = None
        self.end = FederationEvent("ended", 0.0, state="failed", reason="interrupted")
        self._run = run
        self._count = count
        self._has_model = has_model
        self._opened = FederationEvent("opened", 0.0)
        self._clients: dict[str, dict[str, float | None]] = {}
        self._last: dict[str, dict[str, float]] = {}  # each client's last metrics but the accuracy
        self._lines: dict[int, str] = {}  # of rounds whose server accuracy is still to come
        self._records: dict[int, RoundRecord] = {}  # of these rounds

    async def follow(self, events: AsyncIterator[FederationEvent]) -> None:
        """Record every event until the federation has ended."""
        async for event in events:
            self._take(event)
        for number, line in self._lines.items():
            self._run.show(line)
            self._run.on_round(Round.of(self._records[number]))

    def summarise(
        self,
        alone_accuracy: Mapping[str, float | None],
        carried: Mapping[str, ByteCount],
        seconds: float,
        counted: Literal["on the socket", "as encoded"],
    ) -> Summary:
        """Record and return how the run went.

        `alone_accuracy` is each client's without the federation, `carried` each client's bytes, both by name;
        `counted` says where the bytes were counted.
        """
        summary = Summary(
            state=self.end.state,
            reason=self.end.reason,
            seconds=seconds,
            server_accuracy=self.server_accuracy,
            clients=tuple(
                ClientSummary(
                    name=client.name,
                    model=client.model,
                    alone=alone_accuracy.get(client.name),
                    federated=self.final.get(client.name),
                    bytes_up=carried[client.name].up,
                    bytes_down=carried[client.name].down,
                    metrics=self._last.get(client.name, {}),
                )
                for client in self._run.clients
            ),
            bytes_counted=counted,
        )
        append(self._run.folder, summary)
        return summary

    def _take(self, event: FederationEvent) -> None:
        match event.kind:
            case "opened":
                self._opened = event
                self._clients = {}
            case "uplink_accepted":
                self._clients[event.client] = dict(event.metrics)
                if "accuracy" in event.metrics:
                    self.final[event.client] = event.metrics["accuracy"]
                if len(event.metrics) > 1:  # more than its seconds: it was measured
                    self._last[event.client] = others(event.metrics)
            case "aggregated":
                self._close_round(event)
            case "evaluated":
                self._evaluate(event)
            case "disagreement_measured":
                append(self._run.folder, DisagreementRecord(round=event.round, clients=dict(event.metrics)))
            case "ended":
                self.end = event

    def _close_round(self, event: FederationEvent) -> None:
        carried = self._count(event.round)
        record = RoundRecord(
            round=event.round,
            seconds=max(0.0, event.at - self._opened.at),
            uplinks=len(self._clients),
            participants=len(self._opened.participants),
            bytes_up=carried.up,
            bytes_down=carried.down,
            clients=self._clients,
        )
        append(self._run.folder, record)
        self._run.closed(event.round)
        accuracy = mean([record.accuracy(client) for client in self._clients])
        line = (
            f"round {event.round:>3}  {record.uplinks}/{record.participants} uplinks  {duration(record.seconds):>6}  "
            f"clients {percent(accuracy):>7}  up {human_bytes(record.bytes_up):>8}  "
            f"down {human_bytes(record.bytes_down):>8}"
        )
        if self._has_model:
            self._lines[event.round], self._records[event.round] = line, record
        else:
            self._run.show(line)
            self._run.on_round(Round.of(record))

    def _evaluate(self, event: FederationEvent) -> None:
        self.server_accuracy = event.metrics.get("accuracy")
        seconds = event.metrics.get("seconds", 0.0)
        loss = event.metrics.get("loss")
        record = ServerRecord(round=event.round, accuracy=self.server_accuracy, loss=loss, seconds=seconds)
        append(self._run.folder, record)
        line = self._lines.pop(event.round, f"round {event.round:>3}")
        self._run.show(f"{line}  server {percent(self.server_accuracy):>7}")
        if (closed := self._records.pop(event.round, None)) is not None:
            self._run.on_round(Round.of(closed, event.metrics))


def others(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return a client's metrics at the end of a round but its accuracy and its seconds."""
    return {
        name: value
        for name, value in metrics.items()
        if name not in {"accuracy", "seconds"} and not name.startswith("distilled_")
    }
