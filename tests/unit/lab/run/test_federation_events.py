"""Events that come from facts, in this process or over the network."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from limbeck_lab.run import federation_events as module
from limbeck_lab.run.federation_events import FederationEvent, events_at, events_of
from limbeck_server.events import ClientJoined, Fact, FederationEnded, Opened, UplinkAccepted
from limbeck_server.rpc.operator_service import event_of

FACTS: list[Fact] = [
    ClientJoined(at=1.0, client="a"),
    Opened(at=2.0, round=1, participants=("a", "b"), seconds=9.0),
    UplinkAccepted(at=3.0, round=1, client="a", digest="00", metrics={"accuracy": 0.5}),
    FederationEnded(at=4.0, state="failed", reason="round 1: 1 of at least 2 uplinks"),
]
EVENTS = [
    FederationEvent("joined", 1.0, client="a"),
    FederationEvent("opened", 2.0, round=1, participants=("a", "b")),
    FederationEvent("uplink_accepted", 3.0, round=1, client="a", metrics={"accuracy": 0.5}),
    FederationEvent("ended", 4.0, state="failed", reason="round 1: 1 of at least 2 uplinks"),
]


def collect(events: AsyncIterator[FederationEvent]) -> list[FederationEvent]:
    async def work() -> list[FederationEvent]:
        return [each async for each in events]

    return asyncio.run(work())


def test_a_coordinators_facts_become_events() -> None:
    class Coordinator:
        async def watch(self, after: int) -> AsyncIterator[tuple[int, Fact]]:
            for number, fact in enumerate(FACTS[after:], 1):
                yield number, fact

    assert collect(events_of(Coordinator())) == EVENTS  # type: ignore[arg-type]


def test_a_daemons_facts_become_the_same_events(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stub:
        def __init__(self, _channel: object) -> None: ...

        async def Watch(self, _request: object, **_options: Any) -> AsyncIterator[Any]:  # noqa: N802 - a call's name
            for number, fact in enumerate(FACTS, 1):
                yield event_of(number, fact)

    monkeypatch.setattr(module, "OperatorStub", Stub)
    assert collect(events_at("127.0.0.1:1")) == EVENTS
