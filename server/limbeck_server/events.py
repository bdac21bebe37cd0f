"""What has happened in a federation: the journal's records, from which its whole state follows."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Annotated, ClassVar

import pydantic_core
from pydantic import Field, TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that happened, `at` seconds since the Unix epoch."""

    kind: ClassVar[str]
    at: float


@dataclass(frozen=True, kw_only=True)
class Founded(Fact):
    """The federation was set up: its lobby is open."""

    kind: ClassVar[str] = "founded"
    federation_id: str
    spec: str = ""  # SHA-256 of the store's note "spec", hexadecimal


@dataclass(frozen=True, kw_only=True)
class ClientJoined(Fact):
    """A client became a member."""

    kind: ClassVar[str] = "joined"
    client: str


@dataclass(frozen=True, kw_only=True)
class Opened(Fact):
    """A round was opened for `participants`. The closing round asks for no predictions."""

    kind: ClassVar[str] = "opened"
    round: int
    participants: tuple[str, ...]
    deadline: float
    closing: bool = False


@dataclass(frozen=True, kw_only=True)
class UplinkAccepted(Fact):
    """An uplink was accepted; `digest` (hexadecimal) names its content."""

    kind: ClassVar[str] = "uplink_accepted"
    round: int
    client: str
    digest: str
    metrics: dict[str, float]
    group: str | None = None  # whose architecture it has, if it is a model's parameters


@dataclass(frozen=True, kw_only=True)
class UplinkLate(Fact):
    """An uplink came after its round had closed. Said once a round and client."""

    kind: ClassVar[str] = "uplink_late"
    round: int
    client: str


@dataclass(frozen=True, kw_only=True)
class Evaluated(Fact):
    """The server's own model has learned from a round's aggregate."""

    kind: ClassVar[str] = "evaluated"
    round: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Extended(Fact):
    """The deadline passed without quorum, and was moved."""

    kind: ClassVar[str] = "extended"
    deadline: float


@dataclass(frozen=True, kw_only=True)
class Closed(Fact):
    """The round takes no more uplinks."""

    kind: ClassVar[str] = "closed"
    round: int


@dataclass(frozen=True, kw_only=True)
class Aggregated(Fact):
    """The round's aggregate was aggregated and stored; `digest` (hexadecimal) names it.

    `digests` name its blocks by group; `groups` are the clients that were moved to another group.
    """

    kind: ClassVar[str] = "aggregated"
    round: int
    digest: str
    digests: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DisagreementMeasured(Fact):
    """How far each client's labels were from the average of all: mean total variation distance, 0 to 1, by client."""

    kind: ClassVar[str] = "disagreement_measured"
    round: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class UplinksDeleted(Fact):
    """The uplinks of `round` and of all rounds before it were deleted, as the settings say."""

    kind: ClassVar[str] = "uplinks_deleted"
    round: int


@dataclass(frozen=True, kw_only=True)
class Paused(Fact):
    """An operator held the federation."""

    kind: ClassVar[str] = "paused"


@dataclass(frozen=True, kw_only=True)
class Resumed(Fact):
    """An operator let it go on."""

    kind: ClassVar[str] = "resumed"


@dataclass(frozen=True, kw_only=True)
class Restarted(Fact):
    """The daemon is up again: the lobby or the round has its whole time from here on."""

    kind: ClassVar[str] = "restarted"


@dataclass(frozen=True, kw_only=True)
class Restored(Fact):
    """The store was restored from a backup: clients that know later rounds count anew from the backup's."""

    kind: ClassVar[str] = "restored"
    epoch: int


@dataclass(frozen=True, kw_only=True)
class Declined(Fact):
    """A client said that it will not answer the round: it is not waited for."""

    kind: ClassVar[str] = "declined"
    round: int
    client: str


@dataclass(frozen=True, kw_only=True)
class Evicted(Fact):
    """An operator took a client out for good."""

    kind: ClassVar[str] = "evicted"
    client: str


@dataclass(frozen=True, kw_only=True)
class Revoked(Fact):
    """The last certificate of a client was revoked: it is no member until it joins with a new one."""

    kind: ClassVar[str] = "revoked"
    client: str


@dataclass(frozen=True, kw_only=True)
class FederationEnded(Fact):
    """The federation came to its end: `state` is finished, failed or stopped."""

    kind: ClassVar[str] = "ended"
    state: Annotated[str, Field(pattern="^(finished|failed|stopped)$")]
    reason: str


_KINDS: dict[str, TypeAdapter[Fact]] = {kind.kind: TypeAdapter(kind) for kind in Fact.__subclasses__()}


def to_json(fact: Fact) -> str:
    """Return the fact as one line of JSON."""
    return json.dumps({"kind": fact.kind, **asdict(fact)}, separators=(",", ":"))


def from_json(line: str) -> Fact:
    """Return the fact that `to_json` wrote. Raises ValueError for a line that it did not write."""
    fields = pydantic_core.from_json(line)
    kind = fields.get("kind") if isinstance(fields, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError("no such fact")
    return _KINDS[kind].validate_json(line, strict=True)


def link(previous: str, line: str) -> str:
    """Return the chain's next value (hexadecimal): the SHA-256 of the one before and of a fact's line of JSON.

    It stands beside each fact, so that none can be changed, moved or taken out without a trace.
    """
    return hashlib.sha256(f"{previous}\n{line}".encode()).hexdigest()
