"""The journal read for an audit: its chain followed, and what its facts say must be stored."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field

from limbeck_common.core.spec import Spec
from limbeck_server import events as fact
from limbeck_server.audit.reader import Archive


@dataclass
class Entry:
    """What the facts say of a round: whose uplinks were kept, with which digests, and what was taught."""

    kept: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)  # the architecture of each uplink, where it has one
    taught: dict[str, str] = field(default_factory=dict)  # by group
    closing: bool = False


@dataclass
class Ledger:
    """All that the facts say. `damage` names each fact that is not as it was written."""

    rounds: dict[int, Entry] = field(default_factory=dict)
    dropped: int = 0  # uplinks up to this round were deleted
    length: int = 0
    head: str = ""  # the chain's last value
    spec: Spec | None = None
    damage: list[str] = field(default_factory=list)

    def enter(self, what: fact.Fact) -> None:
        """Take note of a fact."""
        match what:
            case fact.Opened():
                self.rounds.setdefault(what.round, Entry()).closing = what.closing
            case fact.Kept():
                entry = self.rounds.setdefault(what.round, Entry())
                entry.kept[what.client] = what.digest
                entry.groups[what.client] = what.group or ""
            case fact.Taught():
                self.rounds.setdefault(what.round, Entry()).taught = what.digests
            case fact.Dropped():
                self.dropped = max(self.dropped, what.round)


def read_ledger(archive: Archive, head: str = "") -> Ledger:
    """Return the journal's facts, their chain followed; `head` is a chain value that must occur in it."""
    ledger = Ledger()
    found = not head
    named = ""
    try:
        for number, line, chain in archive.facts():
            ledger.length += 1
            if number != ledger.length or chain != fact.link(ledger.head, line):
                ledger.damage.append(f"fact {number} is not what was written there: {_describe(line)}")
            ledger.head = chain
            found = found or chain == head
            try:
                what = fact.from_json(line)
                if isinstance(what, fact.Founded):
                    named = what.spec
                ledger.enter(what)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # the chain has named it
    except (sqlite3.Error, ValueError) as error:  # SQLite's words may quote bytes that are no text
        ledger.damage.append(f"the facts end after number {ledger.length}: {error}")
    if not found:
        ledger.damage.append(f"the head {head} that was noted is not in the chain")
    _read_spec(archive, ledger, named)
    return ledger


def _read_spec(archive: Archive, ledger: Ledger, named: str) -> None:
    """Take the specification from its note, which must be what the first fact names."""
    try:
        text = archive.note("spec")
        if hashlib.sha256(text.encode()).hexdigest() != named:
            ledger.damage.append("the note 'spec' is not what the first fact names")
        ledger.spec = Spec.model_validate_json(text)
    except (sqlite3.Error, ValueError) as error:
        said = " ".join(str(error).split())
        ledger.damage.append(f"the note 'spec' cannot be read, so no round can be checked: {said[:200]}")


def _describe(line: str) -> str:
    """Return what a fact says it is, for the reader to find it."""
    try:
        fields = json.loads(line)
        parts = [str(fields["kind"])]
        parts += [f"{name} {fields[name]}" for name in ("round", "client") if name in fields]
        return ", ".join(parts)
    except (ValueError, TypeError, KeyError):
        return repr(line[:80])
