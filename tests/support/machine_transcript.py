"""Transcripts of the round machine, replayed: `at SECONDS EVENT -> what follows`; no arrow where nothing follows.

`tick a b` means that time has passed and that a and b are present. Members a, b and c have joined at 0.
"""

from functools import reduce
from typing import Any

from limbeck_common.core.errors import RefusalError
from limbeck_server import events as fact
from limbeck_server.round.attendance import Attendance
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.state import FederationState, evolve

Rules = dict[str, Any]


def shows(transcript: str, **rules: Any) -> None:
    """Replay a transcript; require exactly what it says, and that a replay of the journal ends in the same state.

    Nothing may follow once a federation has ended. Where `rules` does not say otherwise, there are two rounds of ten
    seconds with a quorum of two.
    """
    usual: Rules = {"rounds": 2, "seed": 7, "lobby": Bounds(2, 9, 0, 100), "round": Bounds(2, 9, 0, 10)}
    machine = Machine(**usual | rules)
    written = [" ".join(line.split()) for line in transcript.splitlines() if line.strip()]
    played = []
    journal: list[fact.Fact] = [fact.Founded(at=0, federation_id="f")]
    journal += [fact.ClientJoined(at=0, client=name) for name in "abc"]
    state = reduce(evolve, journal, FederationState())
    for line in written:
        event = line.partition(" -> ")[0]
        _, at, *words = event.split()
        try:
            outcome, facts = _happen(machine, state, words, float(at))
        except RefusalError as error:
            outcome, facts = f"{type(error).__name__}: {error.wrong}", []
        assert not (facts and state.phase.ended), f"after the end: {line}"
        state = reduce(evolve, facts, state)
        journal += facts
        played.append(f"{event} -> {outcome}" if outcome else event)
    assert played == written
    assert reduce(evolve, (fact.from_json(fact.to_json(each)) for each in journal), FederationState()) == state


def _happen(machine: Machine, state: FederationState, words: list[str], at: float) -> tuple[str, list[fact.Fact]]:
    match words:
        case ["tick", *present]:
            facts: list[fact.Fact] = []
            while (more := machine.tick(state, Attendance.of(state, frozenset(present)), at)) != []:
                facts += more
                state = reduce(evolve, more, state)
            return "; ".join(map(_describe, facts)), facts
        case ["deliver", client, number, digest]:
            kept = fact.UplinkAccepted(at=at, round=int(number), client=client, digest=digest, metrics={"loss": 0.5})
            return machine.deliver(state, kept)
        case ["aggregated", digest]:
            aggregate = fact.Aggregated(at=at, round=state.round, digest=digest)
            facts = machine.aggregated(state, aggregate)
            return "; ".join(map(_describe, facts)), facts
        case ["decline", client, number]:
            facts = machine.decline(state, client, int(number), at)
            return "; ".join(map(_describe, facts)), facts
        case [deed, *arguments]:
            facts = getattr(machine, deed)(state, *arguments, at)
            return "; ".join(map(_describe, facts)), facts
    raise AssertionError(words)


def _describe(each: fact.Fact) -> str:
    match each:
        case fact.Opened():
            what = "closing round" if each.closing else "round"
            return f"opened {what} {each.round} for {' '.join(each.participants)} until {each.at + each.seconds:g}"
        case fact.FederationEnded():
            return f"{each.state}: {each.reason}"
        case fact.Extended():
            return f"extended until {each.at + each.seconds:g}"
        case fact.Closed() | fact.Aggregated():
            return f"{each.kind} {each.round}"
        case fact.ClientJoined() | fact.Evicted() | fact.Revoked() | fact.Declined():
            return f"{each.kind} {each.client}"
    return each.kind
