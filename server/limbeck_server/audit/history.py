"""The journal read for an audit: its chain followed, and what its facts say must be stored."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field

from limbeck_common.core.spec import Spec
from limbeck_server import events as fact
from limbeck_server.audit.reader import StoreReader


@dataclass
class RoundHistory:
    """What the facts say of a round: whose uplinks were kept, with which digests, and what was taught."""

    kept: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)  # the architecture of each uplink, where it has one
    taught: dict[str, str] = field(default_factory=dict)  # by group
    closing: bool = False


@dataclass
class History:
    """All that the facts say. `damage` names each fact that is not as it was written."""

    rounds: dict[int, RoundHistory] = field(default_factory=dict)
    dropped: int = 0  # uplinks up to this round were deleted
    length: int = 0
    head: str = ""  # the chain's last value
    spec: Spec | None = None
    damage: list[str] = field(default_factory=list)

    def enter(self, what: fact.Fact) -> None:
        """Take note of a fact."""
        match what:
            case fact.Opened():
                self.rounds.setdefault(what.round, RoundHistory()).closing = what.closing
            case fact.UplinkAccepted():
                past = self.rounds.setdefault(what.round, RoundHistory())
                past.kept[what.client] = what.digest
                past.groups[what.client] = what.group or ""
            case fact.Aggregated():
                self.rounds.setdefault(what.round, RoundHistory()).taught = what.digests
            case fact.UplinksDeleted():
                self.dropped = max(self.dropped, what.round)


def read_history(reader: StoreReader, head: str = "") -> History:
    """Return the journal's facts, their chain followed; `head` is a chain value that must occur in it."""
    history = History()
    found = not head
    named = ""
    try:
        for number, line, chain in reader.facts():
            history.length += 1
            if number != history.length or chain != fact.link(history.head, line):
                history.damage.append(f"fact {number} is not what was written there: {_describe(line)}")
            history.head = chain
            found = found or chain == head
            try:
                what = fact.from_json(line)
                if isinstance(what, fact.Founded):
                    named = what.spec
                history.enter(what)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # the chain has named it
    except (sqlite3.Error, ValueError) as error:  # SQLite's words may quote bytes that are no text
        history.damage.append(f"the facts end after number {history.length}: {error}")
    if not found:
        history.damage.append(f"the head {head} that was noted is not in the chain")
    _read_spec(reader, history, named)
    return history


def _read_spec(reader: StoreReader, history: History, named: str) -> None:
    """Take the specification from its note, which must be what the first fact names."""
    try:
        text = reader.note("spec")
        if hashlib.sha256(text.encode()).hexdigest() != named:
            history.damage.append("the note 'spec' is not what the first fact names")
        history.spec = Spec.model_validate_json(text)
    except (sqlite3.Error, ValueError) as error:
        said = " ".join(str(error).split())
        history.damage.append(f"the note 'spec' cannot be read, so no round can be checked: {said[:200]}")


def _describe(line: str) -> str:
    """Return what a fact says it is, for the reader to find it."""
    try:
        fields = json.loads(line)
        parts = [str(fields["kind"])]
        parts += [f"{name} {fields[name]}" for name in ("round", "client") if name in fields]
        return ", ".join(parts)
    except (ValueError, TypeError, KeyError):
        return repr(line[:80])
