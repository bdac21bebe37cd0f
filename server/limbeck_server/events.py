"""What has happened in a federation: the facts in its journal, from which its whole state follows.

Each fact says in a sentence what happened: `str(fact)` is what `limbeck-server watch` shows.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import pydantic_core
from pydantic import Field, TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that happened, `at` seconds since the Unix epoch as the daemon's steady clock counts them.

    That clock is set when the daemon starts and never jumps afterwards (`round.clock`). Whatever is waited for is kept
    as a duration, so that setting the machine's clock neither ends a wait nor prolongs it.
    """

    kind: ClassVar[str]
    at: float


@dataclass(frozen=True, kw_only=True)
class Founded(Fact):
    """The federation was set up, and its lobby is open."""

    kind: ClassVar[str] = "founded"
    federation_id: str
    spec: str = ""  # SHA-256 of the store's note "spec", hexadecimal

    def __str__(self) -> str:
        return f"federation {self.federation_id} founded"


@dataclass(frozen=True, kw_only=True)
class ClientJoined(Fact):
    """A client became a member."""

    kind: ClassVar[str] = "joined"
    client: str

    def __str__(self) -> str:
        return f"{self.client} joined"


@dataclass(frozen=True, kw_only=True)
class Opened(Fact):
    """A round was opened for `participants`, with `seconds` until its deadline.

    The closing round asks for no predictions.
    """

    kind: ClassVar[str] = "opened"
    round: int
    participants: tuple[str, ...]
    seconds: float
    closing: bool = False

    def __str__(self) -> str:
        what = "closing round" if self.closing else f"round {self.round}"
        return f"{what} opened for {len(self.participants)} clients"


@dataclass(frozen=True, kw_only=True)
class UplinkAccepted(Fact):
    """An uplink was accepted; `digest` (hexadecimal) names its content."""

    kind: ClassVar[str] = "uplink_accepted"
    round: int
    client: str
    digest: str
    metrics: dict[str, float]
    architecture: str | None = None  # where the uplink holds a model's parameters

    def __str__(self) -> str:
        return f"uplink of {self.client} for round {self.round} accepted"


@dataclass(frozen=True, kw_only=True)
class UplinkLate(Fact):
    """An uplink came after its round had closed. Recorded once per round and client."""

    kind: ClassVar[str] = "uplink_late"
    round: int
    client: str

    def __str__(self) -> str:
        return f"uplink of {self.client} for round {self.round} came late"


@dataclass(frozen=True, kw_only=True)
class Declined(Fact):
    """A client said that it will not answer the round, which does not wait for it any longer."""

    kind: ClassVar[str] = "declined"
    round: int
    client: str

    def __str__(self) -> str:
        return f"{self.client} declined round {self.round}"


@dataclass(frozen=True, kw_only=True)
class Evaluated(Fact):
    """The server's own model has learned from a round's aggregate and was measured."""

    kind: ClassVar[str] = "evaluated"
    round: int
    metrics: dict[str, float]

    def __str__(self) -> str:
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in sorted(self.metrics.items()))
        return f"server's model after round {self.round}: {metrics or 'no test rows'}"


@dataclass(frozen=True, kw_only=True)
class Extended(Fact):
    """The deadline passed without a quorum, so the round has `seconds` more."""

    kind: ClassVar[str] = "extended"
    seconds: float

    def __str__(self) -> str:
        return f"no quorum at the deadline: extended by {self.seconds:g} s"


@dataclass(frozen=True, kw_only=True)
class Closed(Fact):
    """The round takes no more uplinks."""

    kind: ClassVar[str] = "closed"
    round: int

    def __str__(self) -> str:
        return f"round {self.round} closed"


@dataclass(frozen=True, kw_only=True)
class Aggregated(Fact):
    """The round's aggregate was made and stored; `digest` (hexadecimal) names it.

    `digests` name its parts by audience; `moves` are the clients that changed to another group.
    """

    kind: ClassVar[str] = "aggregated"
    round: int
    digest: str
    digests: dict[str, str] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"aggregate of round {self.round} is {self.digest[:12]}"


@dataclass(frozen=True, kw_only=True)
class DisagreementMeasured(Fact):
    """Each client's mean total variation distance, 0 to 1, from the mean over all clients."""

    kind: ClassVar[str] = "disagreement_measured"
    round: int
    metrics: dict[str, float]

    def __str__(self) -> str:
        if len(self.metrics) <= 1:
            return f"round {self.round}: too few clients to compare with one another"
        distance = max(self.metrics.values())
        furthest = [client for client, value in self.metrics.items() if value == distance]
        if len(furthest) > 1:
            return f"round {self.round}: {len(furthest)} clients are furthest from the mean, {distance:.3f} each"
        return f"round {self.round}: {furthest[0]} is furthest from the mean, {distance:.3f}"


@dataclass(frozen=True, kw_only=True)
class UplinksDeleted(Fact):
    """The uplinks of `round` and of all rounds before it were deleted, as the settings ask."""

    kind: ClassVar[str] = "uplinks_deleted"
    round: int

    def __str__(self) -> str:
        return f"uplinks up to round {self.round} deleted"


@dataclass(frozen=True, kw_only=True)
class Paused(Fact):
    """An operator paused the federation."""

    kind: ClassVar[str] = "paused"

    def __str__(self) -> str:
        return "paused"


@dataclass(frozen=True, kw_only=True)
class Resumed(Fact):
    """An operator resumed the federation."""

    kind: ClassVar[str] = "resumed"

    def __str__(self) -> str:
        return "resumed"


@dataclass(frozen=True, kw_only=True)
class Restarted(Fact):
    """The daemon is up again: the lobby or the round has its whole time from here on."""

    kind: ClassVar[str] = "restarted"

    def __str__(self) -> str:
        return "the daemon is up again"


@dataclass(frozen=True, kw_only=True)
class Restored(Fact):
    """The store was restored from a backup: clients that know later rounds count anew from the backup's."""

    kind: ClassVar[str] = "restored"
    epoch: int

    def __str__(self) -> str:
        return f"the store was restored from a backup: epoch {self.epoch}"


@dataclass(frozen=True, kw_only=True)
class Evicted(Fact):
    """An operator evicted a client for good."""

    kind: ClassVar[str] = "evicted"
    client: str

    def __str__(self) -> str:
        return f"{self.client} evicted"


@dataclass(frozen=True, kw_only=True)
class Revoked(Fact):
    """A client's last certificate was revoked: it is no member until it joins with a new one."""

    kind: ClassVar[str] = "revoked"
    client: str

    def __str__(self) -> str:
        return f"{self.client} is not a member any longer: its certificate was revoked"


@dataclass(frozen=True, kw_only=True)
class FederationEnded(Fact):
    """The federation came to its end: `state` is finished, failed or stopped."""

    kind: ClassVar[str] = "ended"
    state: Annotated[str, Field(pattern="^(finished|failed|stopped)$")]
    reason: str

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}"


_KINDS: dict[str, TypeAdapter[Fact]] = {kind.kind: TypeAdapter(kind) for kind in Fact.__subclasses__()}


def to_json(fact: Fact) -> str:
    """Return the fact as one line of JSON."""
    return json.dumps({"kind": fact.kind} | vars(fact), separators=(",", ":"))


def from_json(line: str) -> Fact:
    """Return the fact that `to_json` wrote. Raises ValueError for any other line."""
    fields = pydantic_core.from_json(line)
    kind = fields.get("kind") if isinstance(fields, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError("not a fact")
    return _KINDS[kind].validate_json(line, strict=True)


def link(previous: str, line: str) -> str:
    """Return the chain's next value (hexadecimal): the SHA-256 of the one before and of a fact's line of JSON.

    It is stored beside each fact, so that no fact can be changed, moved or removed without a trace.
    """
    return hashlib.sha256(f"{previous}\n{line}".encode()).hexdigest()
