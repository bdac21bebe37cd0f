"""What `evolve` makes of facts; the machine's transcripts show the rest of it."""

from functools import reduce

import pytest

from limbeck_server import events as fact
from limbeck_server.round.state import FederationPhase, FederationState, evolve


def after(*facts: fact.Fact) -> FederationState:
    return reduce(evolve, facts, FederationState())


def test_what_is_only_a_report_changes_nothing() -> None:
    state = after(fact.Founded(at=1, federation_id="f"))
    assert evolve(state, fact.Evaluated(at=2, round=1, metrics={})) == state
    assert evolve(state, fact.DisagreementMeasured(at=2, round=1, metrics={})) == state
    assert evolve(state, fact.UplinksDeleted(at=2, round=1)) == state


def test_each_extension_is_counted_and_moves_the_deadline() -> None:
    opened = fact.Opened(at=10, round=1, participants=("a",), seconds=5)
    state = after(opened, fact.Extended(at=15, seconds=5), fact.Extended(at=20, seconds=7))
    assert (state.extensions, state.deadline) == (2, 27)


def test_a_restart_gives_an_extended_round_the_time_of_its_extension_again() -> None:
    opened = fact.Opened(at=10, round=1, participants=("a",), seconds=600)
    state = after(opened, fact.Extended(at=610, seconds=300), fact.Restarted(at=2000))
    assert (state.since, state.deadline) == (2000, 2300)


@pytest.mark.parametrize("restarted", [500, 1100, 9000])
def test_a_clock_set_back_at_a_restart_takes_no_time_from_a_paused_federation(restarted: float) -> None:
    opened = fact.Opened(at=900, round=1, participants=("a",), seconds=300)
    paused = after(opened, fact.Closed(at=950, round=1), fact.Paused(at=1000), fact.Restarted(at=restarted))
    aggregated = evolve(paused, fact.Aggregated(at=restarted + 10, round=1, digest=""))
    lobby = evolve(aggregated, fact.Resumed(at=restarted + 20))
    assert (lobby.phase, lobby.since) == ("lobby", restarted + 20)
    collecting = evolve(after(opened, fact.Paused(at=1000)), fact.Restarted(at=restarted))
    assert evolve(collecting, fact.Resumed(at=restarted + 5)).deadline == restarted + 5 + 200


def test_a_restored_store_has_the_epoch_that_its_restoring_gave_it() -> None:
    assert FederationState().epoch == 1
    assert after(fact.Restored(at=1, epoch=4)).epoch == 4


def test_only_three_phases_are_ends() -> None:
    assert {phase for phase in FederationPhase if phase.ended} == {"finished", "failed", "stopped"}


def test_a_fact_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(TypeError, match="unknown fact: "):
        evolve(FederationState(), fact.Fact(at=1))
