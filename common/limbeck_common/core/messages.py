"""The messages as client and server see them: NumPy arrays and plain values, no protobuf."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from limbeck_common.core.blocks import Parts
from limbeck_common.core.form import Ask

SERVER = "server"  # the name of the server's own model as a participant, and the audience of what it alone gets
ALL, STATE = "all", "state"
"""Audiences of an aggregate: everybody, and nobody but the method itself."""


def group(name: str) -> str:
    """Return the audience of the clients that a method has put into a group."""
    return f"group:{name}"


def architecture(name: str) -> str:
    """Return the audience of the clients whose uplinks are of a named architecture."""
    return f"architecture:{name}"


@dataclass(frozen=True, eq=False)
class Aggregate:
    """The result of a round: parts by audience, and the clients that change their group.

    An audience is one of ALL, a `group`, an `architecture`, SERVER or STATE. A client gets the parts for all, those for
    its architecture and those for its group; of parts of the same name the last of these. The server's own model gets
    those for SERVER in place of a group's. STATE is what the method keeps for its next rounds, and goes to nobody.
    `moves` maps a client's name to its new group; clients that it leaves out stay where they are.

    >>> sorted(Aggregate({ALL: {}, group("1"): {}}, moves={"ward-7": "1"}).blocks)
    ['all', 'group:1']
    """

    blocks: Mapping[str, Parts]
    moves: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def to_all(cls, parts: Parts) -> "Aggregate":
        """Return an aggregate that every client and the server's own model gets."""
        return cls({ALL: parts})


@dataclass(frozen=True, eq=False)
class Downlink:
    """One round's work for one client.

    `aggregate` is None in the client's first round, where there is nothing to learn from yet. `plan` is None in the
    closing round: the client learns from the last aggregate and reports its metrics.
    """

    federation_id: str
    round: int
    aggregate: Parts | None = None
    plan: Mapping[str, Ask] | None = None
    deadline_seconds: float = 0.0  # from now

    @property
    def closing(self) -> bool:
        """Whether this is the closing round."""
        return self.plan is None


@dataclass(frozen=True, eq=False)
class Uplink:
    """One client's contribution to one round, and metrics of its learner for people to read."""

    federation_id: str
    client: str
    round: int
    parts: Parts = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    digest: bytes = b""  # of the parts: `wire.digest.parts_digest`
    epoch: int = 1  # of the server's store: see `Invitation`


class Receipt(StrEnum):
    """What became of an uplink."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LATE = "late"


@dataclass(frozen=True)
class Idle:
    """No round was open for the client within the time that it waited."""

    phase: str
    round: int


@dataclass(frozen=True)
class Ended:
    """The federation has ended; `state` is finished, failed or stopped."""

    state: str
    reason: str


@dataclass(frozen=True)
class Invitation:
    """The server's answer to Join."""

    federation_id: str
    spec_json: str
    open_digest: bytes
    open_data_size: int  # bytes; 0 if the server does not send the open set
    unix_seconds: float = 0.0  # the server's clock as it answered
    epoch: int = 1  # how often the server's store was restored from a backup, plus 1


Answer = Downlink | Idle | Ended
