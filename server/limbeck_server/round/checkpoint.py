"""The state after some facts, as text: a restarted daemon reads it, and replays the facts behind it alone.

A checkpoint says nothing that the facts do not say. Where it is missing, of another version, or does not belong to the
journal, the whole journal is replayed; the audit holds it against the facts.
"""

import json
from dataclasses import dataclass, field, fields
from typing import Any

from rpds import HashTrieMap, HashTrieSet

from limbeck_server.events import Aggregated, Evaluated, Fact
from limbeck_server.round.state import FederationPhase, FederationState, evolve


@dataclass(frozen=True)
class Progress:
    """What a journal's facts add up to: `facts` of them, up to the last aggregated and the last evaluated round.

    >>> progress = Progress().after(Aggregated(at=1.0, round=3, digest="ab"))
    >>> progress.facts, progress.aggregated
    (1, 3)
    >>> from_text(to_text(progress)) == progress
    True
    """

    state: FederationState = field(default_factory=FederationState)
    facts: int = 0
    aggregated: int = 0
    evaluated: int = 0

    def after(self, fact: Fact) -> "Progress":
        """Return the progress once a fact has happened."""
        return Progress(
            evolve(self.state, fact),
            self.facts + 1,
            fact.round if isinstance(fact, Aggregated) else self.aggregated,
            fact.round if isinstance(fact, Evaluated) else self.evaluated,
        )


def to_text(progress: Progress) -> str:
    """Return progress as one line of JSON, the same for the same progress."""
    state = {each.name: _plain(getattr(progress.state, each.name)) for each in fields(FederationState)}
    return json.dumps(vars(progress) | {"state": state}, separators=(",", ":"), sort_keys=True)


def from_text(text: str) -> Progress | None:
    """Return the progress that `to_text` wrote; None for what another version wrote, or anything else."""
    try:
        found = json.loads(text)
        state = found.pop("state")
        known = {each.name: each.default for each in fields(FederationState)}
        if state.keys() != known.keys():
            return None
        restored = FederationState(**{name: _like(known[name], value) for name, value in state.items()})
        return Progress(restored, **found)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, HashTrieSet):
        return sorted(value)
    return dict(value) if isinstance(value, HashTrieMap) else value


def _like(default: Any, value: Any) -> Any:
    """Return a value of JSON as what the state holds in its place."""
    if isinstance(default, HashTrieSet):
        return HashTrieSet(value)
    if isinstance(default, HashTrieMap):
        return HashTrieMap({name: tuple(each) if isinstance(each, list) else each for name, each in value.items()})
    return FederationPhase(value) if isinstance(default, FederationPhase) else value
