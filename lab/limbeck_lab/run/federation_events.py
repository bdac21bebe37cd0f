"""A federation's events, over the network or from a coordinator in this process."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from limbeck_common.wire.calls import translating
from limbeck_common.wire.credentials import Credentials, open_channel
from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_common.wire.v1.operator_pb2_grpc import OperatorStub
from limbeck_server.round.coordinator import Coordinator


@dataclass(frozen=True)
class FederationEvent:
    """One event: see WatchResponse in operator.proto. `at` is in seconds since the Unix epoch."""

    kind: str
    at: float
    round: int = 0
    client: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    participants: tuple[str, ...] = ()
    state: str = ""
    reason: str = ""


async def events_of(coordinator: Coordinator) -> AsyncIterator[FederationEvent]:
    """Yield the events of a coordinator in this process, until the federation has ended."""
    async for _, fact in coordinator.watch(0):
        fields = {name: value for name, value in vars(fact).items() if name in FederationEvent.__dataclass_fields__}
        yield FederationEvent(kind=fact.kind, **fields)


async def events_at(address: str, credentials: Credentials | None = None) -> AsyncIterator[FederationEvent]:
    """Yield the events of the daemon at `address`, until the federation has ended.

    Raises:
        UnreachableError: the daemon went away.
    """
    with translating(address):
        async with open_channel(address, credentials) as channel:
            # A server that has just started on a busy machine may need a second handshake.
            async for event in OperatorStub(channel).Watch(pb.WatchRequest(), wait_for_ready=True):
                yield FederationEvent(
                    kind=event.kind,
                    at=event.unix_seconds,
                    round=event.round,
                    client=event.client_name,
                    metrics=dict(event.metrics),
                    participants=tuple(event.participants),
                    state=event.state,
                    reason=event.reason,
                )
