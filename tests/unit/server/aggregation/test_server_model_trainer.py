"""The trainer of the server's own model: what it records of a round, and what it leaves out."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from support.federations import new_store

from limbeck_common.core.blocks import Parts
from limbeck_common.core.messages import Aggregate
from limbeck_server.aggregation.server_model_trainer import ServerModel, ServerModelTrainer
from limbeck_server.events import DisagreementMeasured, Evaluated, Fact


class Measured:
    """An aggregator of two clients that found them so far apart."""

    number = 1
    clients = 2

    def __init__(self, **apart: float) -> None:
        self._apart = apart

    def disagreement(self) -> dict[str, float]:
        return self._apart


class Model:
    """A model that learns at once."""

    async def learn(self, number: int, aggregates: Mapping[str, Parts]) -> dict[str, float]:
        assert not aggregates
        return {"accuracy": number / 10}

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Parts]]) -> Aggregate:
        raise NotImplementedError


async def recorded(rounds: dict[int, Any], model: ServerModel | None = None, evaluated: int = 0) -> list[Fact]:
    """Return what a trainer records of rounds with these aggregators."""
    facts: list[Fact] = []

    def decide(more: Sequence[Fact]) -> asyncio.Future[None]:
        facts.extend(more)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    store = new_store()
    trainer = ServerModelTrainer(model, store, decide, lambda: 7.0, refines=False)
    trainer.evaluated = evaluated
    for number, aggregator in rounds.items():
        trainer.put(number, aggregator)
    trainer.finish()
    await trainer.run()
    store.close()
    return facts


async def test_how_far_each_client_is_from_the_mean_is_recorded() -> None:
    assert await recorded({1: Measured(a=0.5, b=0.25)}) == [
        DisagreementMeasured(at=7.0, round=1, metrics={"a": 0.5, "b": 0.25})
    ]


@pytest.mark.parametrize("aggregator", [Measured(a=0.5), Measured(), None], ids=["deleted", "weights", "restarted"])
async def test_nothing_is_recorded_where_not_all_uplinks_can_be_compared(aggregator: Measured | None) -> None:
    assert await recorded({1: aggregator}) == []


async def test_a_round_of_no_clients_has_no_disagreement() -> None:
    nobody = Measured()
    nobody.clients = 0
    assert await recorded({1: nobody}) == []


async def test_after_a_restart_only_rounds_that_were_not_evaluated_yet_are_recorded() -> None:
    assert await recorded({1: None, 2: None, 3: None}, Model(), evaluated=2) == [
        Evaluated(at=7.0, round=3, metrics={"accuracy": 0.3})
    ]
