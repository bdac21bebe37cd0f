"""The journal as an audit reads it: its chain is followed, and its facts say which blocks must be stored."""

import hashlib
import json
from dataclasses import dataclass, field

from limbeck_common.core.spec import Spec
from limbeck_server import events as fact
from limbeck_server.round.checkpoint import Progress, from_text
from limbeck_server.storage.protocols import DamageError, StoreReader


@dataclass
class RoundHistory:
    """What the facts say of one round. Digests are hexadecimal."""

    uplinks: dict[str, str] = field(default_factory=dict)  # digests of the accepted ones, by client
    architectures: dict[str, str] = field(default_factory=dict)  # of each client's uplink; empty if it has none
    aggregates: dict[str, str] = field(default_factory=dict)  # digests, by audience
    closing: bool = False


@dataclass
class History:
    """What all facts say. `damage` names each fact that is not as it was written."""

    rounds: dict[int, RoundHistory] = field(default_factory=dict)
    deleted: int = 0  # the uplinks of the rounds up to this one were deleted
    length: int = 0
    head: str = ""  # the chain's last value
    spec: Spec | None = None
    damage: list[str] = field(default_factory=list)

    def enter(self, what: fact.Fact) -> None:
        """Take a fact into account."""
        match what:
            case fact.Opened():
                self._round(what.round).closing = what.closing
            case fact.UplinkAccepted():
                self._round(what.round).uplinks[what.client] = what.digest
                self._round(what.round).architectures[what.client] = what.architecture or ""
            case fact.Aggregated():
                self._round(what.round).aggregates = what.digests
            case fact.UplinksDeleted():
                self.deleted = max(self.deleted, what.round)

    def _round(self, number: int) -> RoundHistory:
        return self.rounds.setdefault(number, RoundHistory())


def read_history(reader: StoreReader, head: str = "") -> History:
    """Return the journal's history. `head` is a chain value noted earlier, which must occur in it."""
    history = History()
    found = not head
    spec_digest = ""
    progress = Progress()
    try:
        checkpoint = reader.checkpoint()
        for number, line, chain in reader.facts():
            history.length += 1
            if number != history.length or chain != fact.link(history.head, line):
                history.damage.append(f"fact {number} is not what was written there: {_describe(line)}")
            history.head = chain
            found = found or chain == head
            try:
                what = fact.from_json(line)
                if isinstance(what, fact.Founded):
                    spec_digest = what.spec
                history.enter(what)
                if checkpoint is not None and number <= checkpoint.facts:
                    progress = progress.after(what)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # the chain has named it
        if checkpoint is not None and from_text(checkpoint.text) != progress:
            history.damage.append("the checkpoint does not follow from the facts: remove checkpoint.json")
    except DamageError as error:
        history.damage.append(f"the facts end after number {history.length}: {error}")
    if not found:
        history.damage.append(f"the head {head} that was noted is not in the chain")
    _read_spec(reader, history, spec_digest)
    return history


def _read_spec(reader: StoreReader, history: History, digest: str) -> None:
    """Read the specification from its note, whose SHA-256 the first fact gives."""
    try:
        text = reader.note("spec")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            history.damage.append("the note 'spec' is not what the first fact names")
        history.spec = Spec.model_validate_json(text)
    except (DamageError, ValueError) as error:
        said = " ".join(str(error).split())
        history.damage.append(f"the note 'spec' cannot be read, so no round can be checked: {said[:200]}")


def _describe(line: str) -> str:
    """Return the kind of a fact, and its round and client if it has them."""
    try:
        fields = json.loads(line)
        parts = [str(fields["kind"])]
        parts += [f"{name} {fields[name]}" for name in ("round", "client") if name in fields]
        return ", ".join(parts)
    except (ValueError, TypeError, KeyError):
        return repr(line[:80])
