"""What holds of the round machine whatever happens, in whatever order."""

import itertools
from collections import Counter
from collections.abc import Sequence
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck_common.core.errors import MembershipError, RefusalError
from limbeck_common.core.messages import Receipt
from limbeck_server import events as fact
from limbeck_server.round.attendance import Attendance
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.state import FederationPhase, FederationState, evolve

Story = Sequence[tuple[float, tuple[object, ...]]]

ROUNDS = 3
names = st.sampled_from("abcde")
crowds = st.frozensets(st.sampled_from("abcdef"))  # f never joins
seconds = st.sampled_from([0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 2.0, 11.0])
machines = st.builds(
    Machine,
    rounds=st.just(ROUNDS),
    seed=st.integers(0, 2**63 - 1),
    lobby=st.builds(Bounds, st.integers(1, 3), st.integers(3, 5), st.sampled_from([0.0, 2.0]), st.just(50.0)),
    round=st.builds(Bounds, st.integers(1, 3), st.integers(3, 5), st.sampled_from([0.0, 2.0]), st.just(10.0)),
    sample_ratio=st.sampled_from([0.3, 0.7, 1.0]),
    extensions=st.integers(0, 2),
)
everyone = frozenset("abcde")
helpful = st.sampled_from([("tick", everyone), ("deliver all", everyone), ("aggregated",)])
events = st.one_of(
    st.tuples(st.just("tick"), crowds),
    st.tuples(st.just("deliver"), names, st.integers(-1, 1), st.sampled_from(["x", "y"])),
    st.sampled_from([("pause", ""), ("resume", ""), ("resume", ""), ("join", "d"), ("join", "e"), ("evict", "c")]),
    *[helpful] * 4,  # or few rounds would ever end
)
stories = st.lists(st.tuples(seconds, events), min_size=20, max_size=60)


class Federation:
    """A machine, its journal and its clock."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.journal: list[fact.Fact] = []
        self.state = FederationState()
        self.at = 1.7e9
        self.add([fact.Founded(at=self.at, federation_id="f")])
        for name in "abc":
            self.add(machine.join(self.state, name, self.at))

    def add(self, facts: list[fact.Fact]) -> None:
        self.journal += facts
        self.state = reduce(evolve, facts, self.state)

    def deliver(self, client: str, number: int, digest: str) -> Receipt | None:
        kept = fact.UplinkAccepted(at=self.at, round=number, client=client, digest=digest, metrics={})
        try:
            receipt, facts = self.machine.deliver(self.state, kept)
        except RefusalError:
            return None
        self.add(facts)
        return receipt

    def happen(self, event: tuple[object, ...]) -> None:  # noqa: C901 - one case an event
        match event:
            case ["tick", frozenset() as present]:
                while facts := self.machine.tick(self.state, Attendance.of(self.state, present), self.at):
                    self.add(facts)
            case ["deliver", str() as client, int() as away, str() as digest]:
                self.deliver(client, self.state.round + away, digest)
            case ["deliver all", frozenset() as clients]:
                for client in sorted(clients):
                    self.deliver(client, self.state.round, "x")
            case ["aggregated"]:
                aggregate = fact.Aggregated(at=self.at, round=self.state.round, digest="t", moves={"a": "other"})
                self.add(self.machine.aggregated(self.state, aggregate))
            case ["pause" | "resume" as deed, _]:
                self.add(getattr(self.machine, deed)(self.state, self.at))
            case ["evict", str() as client]:
                self.add(self.machine.evict(self.state, client, self.at))
            case ["join", str() as client]:
                try:
                    self.add(self.machine.join(self.state, client, self.at))
                except MembershipError:
                    assert client in self.state.evicted


def replayed_story(machine: Machine, story: Story) -> Federation:
    federation = Federation(machine)
    for pause, event in story:
        federation.at += pause
        federation.happen(event)
    return federation


@given(machines, stories)
@settings(deadline=None, max_examples=150)
def test_replaying_the_journal_gives_the_same_state(machine: Machine, story: Story) -> None:
    federation = replayed_story(machine, story)
    replayed = [fact.from_json(fact.to_json(each)) for each in federation.journal]
    assert replayed == federation.journal
    assert reduce(evolve, replayed, FederationState()) == federation.state


@given(machines, stories)
@settings(deadline=None, max_examples=150)
def test_no_client_is_counted_twice_and_only_who_was_asked(machine: Machine, story: Story) -> None:
    journal = replayed_story(machine, story).journal
    counted = Counter((each.round, each.client) for each in journal if isinstance(each, fact.UplinkAccepted))
    asked = {(each.round, name) for each in journal if isinstance(each, fact.Opened) for name in each.participants}
    assert set(counted) <= asked
    assert set(counted.values()) <= {1}


@given(machines, stories)
@settings(deadline=None, max_examples=150)
def test_rounds_come_in_order_and_close_with_their_quorum(machine: Machine, story: Story) -> None:
    federation = replayed_story(machine, story)
    state, opened, evicted = FederationState(), 0, frozenset[str]()
    for each in federation.journal:
        match each:
            case fact.Opened():
                opened += 1
                assert (each.round, each.closing) == (opened, opened == ROUNDS + 1)
                assert not evicted & set(each.participants)
            case fact.Closed():
                assert len(state.delivered) >= (0 if state.closing else machine.round.count_min)
            case fact.UplinkAccepted():
                assert each.client not in evicted
            case fact.Evicted():
                evicted |= {each.client}
        state = evolve(state, each)


@given(machines, stories, crowds)
@settings(deadline=None, max_examples=150)
def test_it_ends_if_time_goes_on(machine: Machine, story: Story, present: frozenset[str]) -> None:
    federation = replayed_story(machine, story)
    federation.happen(("resume", ""))
    until = federation.at + (ROUNDS + 2) * (50 + 10 * (1 + machine.extensions)) + 100
    while federation.at < until and not federation.state.phase.ended:
        federation.at += 1
        federation.happen(("tick", present))
        federation.happen(("aggregated",))
    assert federation.state.phase in {FederationPhase.FINISHED, FederationPhase.FAILED}
    assert federation.state.reason


@given(machines, st.permutations("abcabc"))
@settings(deadline=None, max_examples=100)
def test_the_order_of_arrival_changes_nothing(machine: Machine, arrivals: list[str]) -> None:
    states = []
    for order in (arrivals, sorted(arrivals)):
        federation = Federation(machine)
        for _ in range(2):  # the lobby's least time
            federation.at += 5
            federation.happen(("tick", frozenset("abc")))
        receipts = [federation.deliver(client, 1, f"of {client}") for client in order]
        federation.at += 5
        federation.happen(("tick", frozenset("abc")))
        asked = len(federation.state.participants)
        assert receipts.count(Receipt.ACCEPTED) == receipts.count(Receipt.DUPLICATE) == asked
        assert receipts.count(None) == len(order) - 2 * asked
        states.append(federation.state)
    assert states[0] == states[1]


def test_the_stories_reach_the_end() -> None:
    """The properties above say something only if the stories get anywhere."""
    rules = Machine(ROUNDS, 0, Bounds(2, 5, 0, 50), Bounds(2, 5, 0, 10))
    cycle = [("tick", everyone), ("deliver all", everyone), ("tick", everyone), ("aggregated",)]
    story = [(0.5, event) for event in itertools.chain(*[cycle] * (ROUNDS + 1))]
    assert replayed_story(rules, story).state.phase is FederationPhase.FINISHED


@given(machines, stories, st.lists(crowds, min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_what_is_kept_up_to_date_is_what_a_count_of_everybody_finds(
    machine: Machine, story: Story, comings: list[frozenset[str]]
) -> None:
    """The machine that counts anew at each event, as simple as it can be, beside the one that keeps its counts."""
    journal = replayed_story(machine, story).journal
    state, here, kept = FederationState(), frozenset[str](), Attendance()
    for each, present in zip(journal, itertools.cycle(comings), strict=False):
        state = evolve(state, each)
        asked = set(state.participants) - set(state.delivered) - set(state.declined)
        assert set(state.missing) == asked & state.active
        assert {client for client in state.members if state.admits(client)} == state.active
        for client in here ^ present:
            kept.update(state, client, present=client in present)
        here = present
        if isinstance(each, fact.Opened):
            kept = Attendance.of(state, present)
        elif isinstance(each, fact.ClientJoined | fact.UplinkAccepted | fact.Declined | fact.Evicted | fact.Revoked):
            kept.update(state, each.client, present=each.client in present)
        assert kept == Attendance.of(state, present)
        assert kept == Attendance(set(present & state.active), present & set(state.missing))
