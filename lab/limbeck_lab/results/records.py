"""The lines of metrics.jsonl, and all of a run's lines together."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from limbeck_lab.results.byte_count import ByteCount


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


Measured = Annotated[float | None, AfterValidator(_finite)]
"""A measured value; None where it was not measured, or was infinite or not a number."""


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that were measured; None where none was.

    >>> mean([0.5, None, 1.0])
    0.75
    """
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def natural_order(name: str) -> list[tuple[str, int]]:
    """Return a key that sorts client-2 before client-10.

    >>> sorted(["client-10", "client-2"], key=natural_order)
    ['client-2', 'client-10']
    """
    return [(text, int(number or 0)) for text, number in re.findall(r"([^0-9]*)([0-9]*)", name)]


class _Line(BaseModel):
    """One line. Keys that this version does not know are ignored."""

    model_config = ConfigDict(frozen=True)


class RoundRecord(_Line):
    """A closed round. Seconds and bytes are those of this round alone; bytes are summed over all clients."""

    kind: Literal["round"] = "round"
    round: NonNegativeInt
    seconds: NonNegativeFloat
    uplinks: NonNegativeInt
    participants: NonNegativeInt
    bytes_up: NonNegativeInt
    bytes_down: NonNegativeInt
    clients: dict[str, dict[str, Measured]] = {}

    @property
    def carried(self) -> ByteCount:
        """The round's bytes."""
        return ByteCount(self.bytes_up, self.bytes_down)

    def accuracy(self, client: str) -> float | None:
        """Return the client's test accuracy in this round, if it took part and reported one."""
        return self.clients.get(client, {}).get("accuracy")


class ServerRecord(_Line):
    """The server's model after a round, written later than the round's own line."""

    kind: Literal["server"] = "server"
    round: NonNegativeInt
    accuracy: Measured = None
    loss: Measured = None
    seconds: NonNegativeFloat = 0.0


class DisagreementRecord(_Line):
    """Distance of each client's labels from the mean over all clients, from 0 to 1; written later than the round."""

    kind: Literal["disagreement"] = "disagreement"
    round: NonNegativeInt
    clients: dict[str, Measured]


class ClientSummary(_Line):
    """One client at the end: its test accuracy trained alone and with the federation, and its bytes in total.

    `metrics` are the others that it last reported, such as `local_accuracy` or a method's own.
    """

    name: str
    model: str
    alone: Measured = None
    federated: Measured = None
    bytes_up: NonNegativeInt | None = None
    bytes_down: NonNegativeInt | None = None
    metrics: dict[str, Measured] = {}

    @property
    def gain(self) -> float | None:
        """Accuracy gained by taking part, as a difference."""
        return None if self.alone is None or self.federated is None else self.federated - self.alone


class Summary(_Line):
    """How the run ended."""

    kind: Literal["summary"] = "summary"
    state: str
    reason: str = ""
    seconds: NonNegativeFloat
    server_accuracy: Measured = None
    clients: tuple[ClientSummary, ...] = ()
    bytes_counted: Literal["on the socket", "as encoded"]


Record = RoundRecord | ServerRecord | DisagreementRecord | Summary


@dataclass(frozen=True)
class Results:
    """All of a run's records, in order of their rounds."""

    rounds: tuple[RoundRecord, ...] = ()
    server: tuple[ServerRecord, ...] = ()
    summary: Summary | None = None
    notes: tuple[str, ...] = ()
    disagreement: DisagreementRecord | None = None  # of the last round

    @property
    def server_accuracies(self) -> dict[int, float]:
        """The accuracy of the server's model by round."""
        return {line.round: line.accuracy for line in self.server if line.accuracy is not None}

    @property
    def mean_accuracies(self) -> dict[int, float]:
        """The mean accuracy of the round's participants by round."""
        found = {one.round: mean(one.accuracy(name) for name in one.clients) for one in self.rounds}
        return {number: value for number, value in found.items() if value is not None}

    @property
    def in_rounds(self) -> ByteCount:
        """Bytes of the closed rounds, summed over all clients."""
        return sum((one.carried for one in self.rounds), ByteCount())

    @property
    def carried(self) -> ByteCount:
        """Bytes of all clients up to the end; where the summary has no counts, those of the closed rounds."""
        counts = [(client.bytes_up, client.bytes_down) for client in self.clients]
        known = [ByteCount(up, down) for up, down in counts if up is not None and down is not None]
        return sum(known, ByteCount()) if counts and len(known) == len(counts) else self.in_rounds

    @property
    def clients(self) -> tuple[ClientSummary, ...]:
        """The summary's clients; without a summary, every client seen with its latest accuracy."""
        if self.summary is not None and self.summary.clients:
            return self.summary.clients
        latest: dict[str, float | None] = {}
        for record in self.rounds:
            latest |= {name: record.accuracy(name) for name in record.clients}
        return tuple(
            ClientSummary(name=name, model="-", federated=latest[name]) for name in sorted(latest, key=natural_order)
        )
