"""The coordinator: what it makes durable, what ends a federation, and how it goes on."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.federations import assembled, new_store, opened, pulled, running, uplink

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import InternalError, RoundError, UserCodeError
from limbeck_common.core.messages import ALL, Aggregate, Downlink, Ended, Idle, Receipt
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.server_round import ServerRound
from limbeck_server.aggregation.server_model_trainer import ServerModelTrainer
from limbeck_server.events import Evaluated, Fact, FederationEnded, UplinksDeleted
from limbeck_server.federation import Federation
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.state import FederationPhase

DAY = 86_400.0


async def answered(federation: Federation, number: int, *, clients: str = "ab") -> None:
    """Have the clients answer round `number` with what it asks for."""
    for client in clients:
        downlink = await pulled(federation, client, after=number - 1)
        assert downlink.round == number
        assert await federation.admissions.push(uplink(client, downlink)) is Receipt.ACCEPTED


async def finished(federation: Federation) -> None:
    """Run a federation of two rounds to its end."""
    await opened(federation)
    for number in (1, 2, 3):
        await answered(federation, number)
    await running(federation)


async def test_two_rounds_and_a_closing_one_finish() -> None:
    async with assembled() as federation:
        await finished(federation)
        assert federation.coordinator.state.phase is FederationPhase.FINISHED
        kinds = [fact.kind for fact in federation.store.facts()]
        assert kinds.count("aggregated") == kinds.count("disagreement_measured") == 2
        assert kinds.count("uplink_accepted") == 6
        assert kinds[-1] == "ended"


@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_clock_that_is_set_neither_hangs_a_round_nor_fails_a_lobby(
    monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    wall, ahead = time.time, [0.0]
    monkeypatch.setattr("time.time", lambda: wall() + ahead[0])
    async with assembled() as federation:
        await federation.membership.enter("a")
        ahead[0] = jump  # in the lobby, whose time is up after a minute
        await asyncio.sleep(0.3)
        assert federation.coordinator.state.phase is FederationPhase.LOBBY
        await federation.membership.enter("b")
        await answered(federation, 1, clients="a")
        ahead[0] = -jump
        await answered(federation, 1, clients="b")
        await answered(federation, 2)
        await answered(federation, 3)
        async with asyncio.timeout(20):
            await running(federation)
        assert federation.coordinator.state.extensions == 0


async def test_a_round_that_everybody_answered_or_declined_closes_with_its_quorum() -> None:
    machine = Machine(2, 0, Bounds(2, 2, 0, 60), Bounds(1, 2, 0, 60))
    async with assembled(machine=machine) as federation:
        await opened(federation)
        await answered(federation, 1, clients="a")
        assert federation.coordinator.state.phase is FederationPhase.COLLECTING
        await federation.membership.decline("b", 1)
        assert (await pulled(federation, "b", after=1)).round == 2


async def test_an_operator_closes_a_round_that_has_its_quorum() -> None:
    machine = Machine(2, 0, Bounds(2, 2, 0, 60), Bounds(1, 2, 0, 60))
    async with assembled(machine=machine) as federation:
        coordinator = federation.coordinator
        with pytest.raises(RoundError, match="no round is open"):
            coordinator.apply(coordinator.machine.close)
        await opened(federation)
        with pytest.raises(RoundError, match="round 1 has 0 uplinks; expected at least 1"):
            coordinator.apply(coordinator.machine.close)
        await answered(federation, 1, clients="a")
        await coordinator.apply(coordinator.machine.close)
        assert (await pulled(federation, "a", after=1)).round == 2


class Model:
    """A server's own model that fails in round `fails`."""

    def __init__(self, fails: int = 0, **metrics: float) -> None:
        self.learned: list[int] = []
        self._fails = fails
        self._metrics = metrics

    async def learn(self, number: int, aggregates: Mapping[str, Parts]) -> dict[str, float]:
        assert list(aggregates) == [ALL]
        self.learned.append(number)
        if number == self._fails:
            raise UserCodeError("out of memory")
        return {"accuracy": number / 10, **self._metrics}

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Parts]]) -> Aggregate:
        raise NotImplementedError


async def test_the_servers_model_learns_every_round_and_its_finite_metrics_are_recorded() -> None:
    model = Model(loss=float("nan"))
    async with assembled(server_model=model) as federation:
        await finished(federation)
        assert model.learned == [1, 2]
        found = [(fact.round, fact.metrics) for fact in federation.store.facts() if isinstance(fact, Evaluated)]
        assert found == [(1, {"accuracy": 0.1}), (2, {"accuracy": 0.2})]


async def test_a_restarted_model_learns_every_round_again_and_records_none_twice() -> None:
    store = new_store()
    async with assembled(store, server_model=Model()) as federation:
        await opened(federation)
        await answered(federation, 1)
        assert (await pulled(federation, "a", after=1)).round == 2
        async for _, fact in federation.coordinator.watch(0):
            if isinstance(fact, Evaluated):
                break
    again = Model()
    async with assembled(store, server_model=again) as federation:
        for number in (2, 3):
            await answered(federation, number)
        await running(federation)
        assert again.learned == [1, 2]
        assert [fact.round for fact in federation.store.facts() if isinstance(fact, Evaluated)] == [1, 2]
    store.close()


async def test_a_federation_goes_on_without_a_model_of_its_own_that_fails() -> None:
    model = Model(fails=1)
    async with assembled(server_model=model) as federation:
        await finished(federation)
        assert federation.coordinator.state.phase is FederationPhase.FINISHED
        assert model.learned == [1]
        assert not [fact for fact in federation.store.facts() if isinstance(fact, Evaluated)]


async def test_a_lost_task_fails_the_federation_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slip(_: ServerModelTrainer) -> None:
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr(ServerModelTrainer, "run", slip)
    async with assembled() as federation:
        with pytest.raises(InternalError, match="internal error: ZeroDivisionError: a slip of ours"):
            await running(federation)
        last = federation.store.facts()[-1]
        assert isinstance(last, FederationEnded)
        assert (last.state, last.reason) == ("failed", "internal error: ZeroDivisionError: a slip of ours")


async def test_clients_are_told_of_a_federation_that_failed_by_a_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slip(*_: object) -> None:
        raise ZeroDivisionError("a slip of ours")

    monkeypatch.setattr(ServerModelTrainer, "_measure", slip)
    async with assembled() as federation:
        await opened(federation)
        await answered(federation, 1)
        while not isinstance(
            answer := await federation.downlinks.pull("a", federation.coordinator.state.round, 5), Ended
        ):
            assert isinstance(answer, Idle | Downlink)
        assert answer == Ended("failed", "internal error: ZeroDivisionError: a slip of ours")
        with pytest.raises(InternalError):
            await running(federation)


class Stuck(Model):
    """A model that takes as long as the test likes."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def learn(self, number: int, aggregates: Mapping[str, Parts]) -> dict[str, float]:
        await self.goes_on.wait()
        return await super().learn(number, aggregates)


async def test_rounds_do_not_wait_for_a_model_that_the_method_can_do_without() -> None:
    model = Stuck()
    async with assembled(server_model=model) as federation:
        await opened(federation)
        async with asyncio.timeout(10):
            for number in (1, 2, 3):
                await answered(federation, number)
        assert model.learned == []
        model.goes_on.set()
        await running(federation)
        assert model.learned == [1, 2]


class Forgetful(DSFL):
    """Decodes each uplink once, and raises when it is asked again."""

    def server_decode(self, server: ServerRound, parts: Parts) -> Parts:
        DECODED.append(server.number)
        if DECODED.count(server.number) > 2:
            raise KeyError("thrown away")
        return parts


DECODED: list[int] = []


async def test_a_method_that_fails_over_a_mere_figure_does_not_end_the_federation() -> None:
    DECODED.clear()
    async with assembled(method=Forgetful(open_per_round=8)) as federation:
        with capture_logs() as logs:
            await finished(federation)
        assert federation.coordinator.state.phase is FederationPhase.FINISHED
    said = [each["error"] for each in logs if each["log_level"] == "error"]
    assert len(said) == 2
    assert said[0].startswith("method Forgetful raised KeyError in server_decode: 'thrown away'")


async def test_uplinks_are_deleted_once_they_were_kept_for_long_enough() -> None:
    async with assembled(keep_rounds=1) as federation:
        await finished(federation)
        deleted = [fact.round for fact in federation.store.facts() if isinstance(fact, UplinksDeleted)]
        assert deleted == [1]
        assert [len(list(federation.store.uplinks(number))) for number in (1, 2)] == [0, 2]


async def test_a_restarted_federation_goes_on_in_the_middle_of_its_round() -> None:
    store = new_store()
    async with assembled(store) as federation:
        await opened(federation)
        await answered(federation, 1, clients="a")
        digest = federation.coordinator.state.last["a"]
    async with assembled(store, federation_id="another") as again:
        assert not again.founded
        state = again.coordinator.state
        assert (state.federation_id, state.round, state.delivered, state.last["a"]) == ("test", 1, {"a"}, digest)
        await answered(again, 1, clients="b")
        assert (await pulled(again, "a", after=1)).round == 2
    store.close()


async def test_a_federation_restarted_in_its_closing_round_takes_answers_without_a_block() -> None:
    store = new_store()
    machine = Machine(1, 0, Bounds(2, 2, 0, 60), Bounds(2, 2, 0, 60))
    async with assembled(store, machine=machine) as federation:
        await opened(federation)
        await answered(federation, 1)
        assert (await pulled(federation, "a", after=1)).closing
    async with assembled(store, machine=machine) as again:
        await answered(again, 2)
        await running(again)
        assert again.coordinator.state.phase is FederationPhase.FINISHED
    store.close()


async def test_watch_ends_with_the_end_however_slow_the_disk_is(monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store()
    commit = store.commit

    def slowly(facts: Sequence[Fact], *blocks: Any) -> None:
        if any(isinstance(fact, FederationEnded) for fact in facts):
            time.sleep(0.6)
        commit(facts, *blocks)

    monkeypatch.setattr(store, "commit", slowly)
    async with assembled(store) as federation:
        await opened(federation)
        following = asyncio.create_task(kinds_from_watch(federation))
        await asyncio.sleep(0)
        federation.coordinator.apply(federation.coordinator.machine.stop, "tired")
        assert (await following)[-1] == "ended"
    store.close()


async def kinds_from_watch(federation: Federation) -> list[str]:
    return [fact.kind async for _, fact in federation.coordinator.watch(0)]


async def test_whoever_is_present_and_may_take_part_is_waited_for_at_the_end() -> None:
    async with assembled() as federation:
        await finished(federation)
        coordinator = federation.coordinator
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await coordinator.until_notified()
        assert isinstance(await federation.downlinks.pull("a", 3, 0), Ended)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await coordinator.until_notified()
        coordinator.presence.saw("z")  # present, but not a member
        assert isinstance(await federation.downlinks.pull("b", 3, 0), Ended)
        async with asyncio.timeout(5):
            await coordinator.until_notified()


async def test_watch_shows_every_fact_past_ones_first_and_then_ends() -> None:
    async with assembled() as federation:
        await opened(federation)
        seen = []

        async def follow(after: int) -> list[tuple[int, str]]:
            return [(number, fact.kind) async for number, fact in federation.coordinator.watch(after)]

        following = asyncio.create_task(follow(2))
        for number in (1, 2, 3):
            await answered(federation, number)
        await running(federation)
        async with asyncio.timeout(5):
            seen = await following
        kinds = [fact.kind for fact in federation.store.facts()]
        assert seen == list(enumerate(kinds, 1))[2:]


async def test_a_pull_that_waits_is_idle_when_its_time_is_up() -> None:
    async with assembled() as federation:
        await federation.membership.enter("a")
        began = time.monotonic()
        assert await federation.downlinks.pull("a", 0, 0.2) == Idle("lobby", 0)
        assert 0.15 < time.monotonic() - began < 5
