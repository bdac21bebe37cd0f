"""What a run leaves behind: `metrics.jsonl` in the run folder, one JSON object a line, `kind` tells which.

The lab appends a line as each thing happens; the report and the closing table read them. A crash may cut the
last line short: the reader leaves such a line out and says so, and the next `append` takes its place.
"""

import math
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, BinaryIO, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
)

from limbeck_common.core.errors import DataError
from limbeck_lab.run.clients import Bytes

FILE = "metrics.jsonl"

_appending = threading.Lock()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


Figure = Annotated[float | None, AfterValidator(_finite)]
"""A measured value; None where it was not measured, or came out infinite or not a number."""


def mean(figures: Iterable[float | None]) -> float | None:
    """Return the mean of the figures that are there."""
    known = [figure for figure in figures if figure is not None]
    return fmean(known) if known else None


class _Line(BaseModel):
    """One line. Keys that this version does not know are passed over."""

    model_config = ConfigDict(frozen=True)


class RoundRecord(_Line):
    """A round that closed. Its seconds and bytes are this round's alone, all clients together."""

    kind: Literal["round"] = "round"
    round: NonNegativeInt
    seconds: NonNegativeFloat
    uplinks: NonNegativeInt
    participants: NonNegativeInt
    bytes_up: NonNegativeInt
    bytes_down: NonNegativeInt
    clients: dict[str, dict[str, Figure]] = {}

    def accuracy(self, client: str) -> float | None:
        """Return the client's test accuracy in this round, if it took part and told."""
        return self.clients.get(client, {}).get("accuracy")


class ServerRecord(_Line):
    """The server's model after a round; written later than the round's own line."""

    kind: Literal["server"] = "server"
    round: NonNegativeInt
    accuracy: Figure = None
    loss: Figure = None
    seconds: NonNegativeFloat = 0.0


class DisagreementRecord(_Line):
    """How far each client's labels were from the average of all, 0 to 1; written later than the round's own line."""

    kind: Literal["disagreement_measured"] = "disagreement_measured"
    round: NonNegativeInt
    disagreement: dict[str, Figure]


class ClientSummary(_Line):
    """One client at the end: its test accuracy trained alone and with the federation, and its bytes in all."""

    name: str
    model: str
    alone: Figure = None
    federated: Figure = None
    bytes_up: NonNegativeInt | None = None
    bytes_down: NonNegativeInt | None = None

    @property
    def gain(self) -> float | None:
        """What the federation brought, as a difference of accuracies."""
        return None if self.alone is None or self.federated is None else self.federated - self.alone


class Summary(_Line):
    """How the run ended."""

    kind: Literal["summary"] = "summary"
    state: str
    reason: str = ""
    seconds: NonNegativeFloat
    server_accuracy: Figure = None
    clients: tuple[ClientSummary, ...] = ()
    bytes_counted: Literal["on the socket", "as encoded"]


Record = RoundRecord | ServerRecord | DisagreementRecord | Summary
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


@dataclass(frozen=True)
class Results:
    """All of a run's records. Where a restarted run wrote a round again, the later line counts."""

    rounds: tuple[RoundRecord, ...] = ()
    server: tuple[ServerRecord, ...] = ()
    summary: Summary | None = None
    notes: tuple[str, ...] = ()
    judged: DisagreementRecord | None = None  # of the last round

    @property
    def served(self) -> dict[int, float]:
        """Return the accuracy of the server's model by round."""
        return {line.round: line.accuracy for line in self.server if line.accuracy is not None}

    @property
    def means(self) -> dict[int, float]:
        """Return the mean accuracy of the round's clients by round."""
        found = {one.round: mean(one.accuracy(name) for name in one.clients) for one in self.rounds}
        return {number: value for number, value in found.items() if value is not None}

    @property
    def in_rounds(self) -> Bytes:
        """Return the bytes of the rounds that were taught, all clients together."""
        return sum((Bytes(one.bytes_up, one.bytes_down) for one in self.rounds), Bytes())

    @property
    def carried(self) -> Bytes:
        """Return the bytes of all clients to the end; where the summary does not tell, those of the rounds."""
        counts = [(client.bytes_up, client.bytes_down) for client in self.clients]
        known = [Bytes(up, down) for up, down in counts if up is not None and down is not None]
        return sum(known, Bytes()) if counts and len(known) == len(counts) else self.in_rounds

    @property
    def clients(self) -> tuple[ClientSummary, ...]:
        """The summary's clients; where it names none, every client seen and its latest accuracy."""
        if self.summary is not None and self.summary.clients:
            return self.summary.clients
        latest: dict[str, float | None] = {}
        for record in self.rounds:
            latest |= {name: record.accuracy(name) for name in record.clients}
        return tuple(
            ClientSummary(name=name, model="-", federated=latest[name]) for name in sorted(latest, key=natural_order)
        )


def natural_order(name: str) -> list[tuple[str, int]]:
    """Sort client-2 before client-10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"([^0-9]*)([0-9]*)", name)]


def append(run: Path, record: Record) -> None:
    """Add one line to the run's metrics, from any thread. One process at a time writes to a run folder."""
    with _appending, (run / FILE).open("ab+", buffering=0) as file:
        _mend(file)
        file.write(record.model_dump_json().encode() + b"\n")


def _mend(file: BinaryIO) -> None:
    """End a last line that a crash left without its newline, or cut it off where it is torn."""
    if file.seek(0, 2) == 0:
        return
    file.seek(-1, 2)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    if _is_torn(content[start:]):
        file.truncate(start)
    else:
        file.write(b"\n")


def _is_torn(line: bytes) -> bool:
    """Whether a last line without a newline stops before its closing brace."""
    try:
        _RECORD.validate_json(line)
    except ValidationError as error:
        return error.errors()[0]["type"] == "json_invalid"
    return False


def read(run: Path) -> Results:
    """Read the run's metrics, as far as they go.

    Raises:
        DataError: there is no such folder, or a line is not one of the records above.
    """
    if not run.is_dir():
        raise DataError(f"{run} is no folder", expected="the folder of a run")
    path = run / FILE
    if not path.exists():
        return Results(notes=(f"There is no {FILE}: no round has closed.",))
    *lines, last = path.read_bytes().split(b"\n")
    torn = bool(last.strip()) and _is_torn(last)
    if not torn:
        lines.append(last)
    records = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    note = f"Line {len(lines) + 1} of {FILE} is cut short, as a crash leaves it; it is left out."
    return _collect(records, (note,) if torn else ())


def _parse(line: bytes, where: str) -> Record:
    try:
        return _RECORD.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        reason = f"{field}: {first['msg']}" if field else first["msg"]
        raise DataError(
            f"{where}: {reason}",
            expected="a JSON object of kind round, server, judged or summary",
            remedy="mend or delete that line",
        ) from None


def _collect(records: list[Record], notes: tuple[str, ...]) -> Results:
    rounds: dict[int, RoundRecord] = {}
    server: dict[int, ServerRecord] = {}
    summary: Summary | None = None
    judged: DisagreementRecord | None = None
    for record in records:
        match record:
            case RoundRecord():
                rounds[record.round] = record
                summary = None  # the run was taken up again
            case ServerRecord():
                server[record.round] = record
            case DisagreementRecord():
                judged = record
            case Summary():
                summary = record
    return Results(
        rounds=tuple(rounds[number] for number in sorted(rounds)),
        server=tuple(server[number] for number in sorted(server)),
        summary=summary,
        notes=notes,
        judged=judged,
    )
