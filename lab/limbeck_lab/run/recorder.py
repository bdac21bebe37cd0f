"""From events to `metrics.jsonl` and one line a round on the screen."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from limbeck_lab.report.table import duration, human_bytes, percent
from limbeck_lab.run.clients import Bytes, Client
from limbeck_lab.run.federation_events import Event
from limbeck_lab.run.results import ClientSummary, JudgedRecord, RoundRecord, ServerRecord, Summary, append, mean


class Recorder:
    """Follows one federation. `count` is asked for the bytes of each round that was taught; `show` prints a line."""

    def __init__(
        self, run: Path, count: Callable[[int], Bytes], show: Callable[[str], None], *, has_model: bool
    ) -> None:
        self.final: dict[str, float] = {}  # each client's last accuracy
        self.server_accuracy: float | None = None
        self.end = Event("ended", 0.0, state="failed", reason="interrupted")
        self._run = run
        self._count = count
        self._show = show
        self._has_model = has_model
        self._opened = Event("opened", 0.0)
        self._clients: dict[str, dict[str, float | None]] = {}
        self._lines: dict[int, str] = {}  # of rounds whose server figure is still to come

    async def follow(self, events: AsyncIterator[Event]) -> None:
        """Record every event until the federation has ended."""
        async for event in events:
            self._take(event)
        for line in self._lines.values():
            self._show(line)

    def summarise(
        self,
        clients: Sequence[Client],
        lonely: Mapping[str, float | None],
        carried: Mapping[str, Bytes],
        seconds: float,
        counted: Literal["on the socket", "as encoded"],
    ) -> Summary:
        """Record and return how the run went: `lonely` are accuracies without the federation, `carried` are bytes."""
        summary = Summary(
            state=self.end.state,
            reason=self.end.reason,
            seconds=seconds,
            server_accuracy=self.server_accuracy,
            clients=tuple(
                ClientSummary(
                    name=client.name,
                    model=client.model,
                    alone=lonely.get(client.name),
                    federated=self.final.get(client.name),
                    bytes_up=carried[client.name].up,
                    bytes_down=carried[client.name].down,
                )
                for client in clients
            ),
            bytes_counted=counted,
        )
        append(self._run, summary)
        return summary

    def _take(self, event: Event) -> None:
        match event.kind:
            case "opened":
                self._opened = event
                self._clients = {}
            case "kept":
                self._clients[event.client] = dict(event.figures)
                if "accuracy" in event.figures:
                    self.final[event.client] = event.figures["accuracy"]
            case "taught":
                self._close_round(event)
            case "evaluated":
                self._evaluate(event)
            case "judged":
                append(self._run, JudgedRecord(round=event.round, disagreement=dict(event.figures)))
            case "ended":
                self.end = event

    def _close_round(self, event: Event) -> None:
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
        append(self._run, record)
        accuracy = mean([record.accuracy(client) for client in self._clients])
        line = (
            f"round {event.round:>3}  {record.uplinks}/{record.participants} uplinks  {duration(record.seconds):>6}  "
            f"clients {percent(accuracy):>7}  up {human_bytes(record.bytes_up):>8}  "
            f"down {human_bytes(record.bytes_down):>8}"
        )
        if self._has_model:
            self._lines[event.round] = line
        else:
            self._show(line)

    def _evaluate(self, event: Event) -> None:
        self.server_accuracy = event.figures.get("accuracy")
        seconds = event.figures.get("seconds", 0.0)
        loss = event.figures.get("loss")
        record = ServerRecord(round=event.round, accuracy=self.server_accuracy, loss=loss, seconds=seconds)
        append(self._run, record)
        line = self._lines.pop(event.round, f"round {event.round:>3}")
        self._show(f"{line}  server {percent(self.server_accuracy):>7}")
