"""The Operator service: status, events, and the few things that a person may tell the daemon."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from limbeck_common.core.errors import MembershipError
from limbeck_common.core.spec import check_name
from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_common.wire.v1.operator_pb2_grpc import OperatorServicer
from limbeck_server.events import Fact
from limbeck_server.federation import Federation
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.state import FederationPhase
from limbeck_server.round.status import client_status, describe_wait
from limbeck_server.rpc.authentication import Authentication, CallContext
from limbeck_server.rpc.errors import refusing
from limbeck_server.rpc.federation_service import Traffic


@dataclass
class OperatorService(OperatorServicer):
    """See proto/limbeck_common/wire/v1/operator.proto."""

    federation: Federation
    traffic: Traffic
    authentication: Authentication = field(default_factory=Authentication)

    async def Status(self, _request: pb.StatusRequest, context: CallContext) -> pb.StatusResponse:
        async with self._call(context):
            return self._status()

    async def Watch(self, request: pb.WatchRequest, context: CallContext) -> AsyncIterator[pb.WatchResponse]:
        async with self._call(context) as coordinator:
            async for number, fact in coordinator.watch(request.after_event):
                self.authentication.operator(context)  # again: it may have been revoked meanwhile
                yield event_of(number, fact)

    async def Pause(self, _request: pb.PauseRequest, context: CallContext) -> pb.PauseResponse:
        async with self._call(context) as coordinator:
            await coordinator.apply(coordinator.machine.pause)
        return pb.PauseResponse()

    async def Resume(self, _request: pb.ResumeRequest, context: CallContext) -> pb.ResumeResponse:
        async with self._call(context) as coordinator:
            await coordinator.apply(coordinator.machine.resume)
        return pb.ResumeResponse()

    async def CloseRound(self, _request: pb.CloseRoundRequest, context: CallContext) -> pb.CloseRoundResponse:
        async with self._call(context) as coordinator:
            await coordinator.apply(coordinator.machine.close)
        return pb.CloseRoundResponse()

    async def Stop(self, request: pb.StopRequest, context: CallContext) -> pb.StopResponse:
        async with self._call(context) as coordinator:
            await coordinator.apply(coordinator.machine.stop, request.reason or "stopped by an operator")
        return pb.StopResponse()

    async def Evict(self, request: pb.EvictRequest, context: CallContext) -> pb.EvictResponse:
        async with self._call(context) as coordinator:
            name = check_name(request.client_name)
            if name not in coordinator.state.members:
                members = ", ".join(sorted(coordinator.state.members)) or "nobody yet"
                raise MembershipError(f"{name} is not a member", expected=f"one of: {members}")
            await coordinator.apply(coordinator.machine.evict, name)
        return pb.EvictResponse()

    @asynccontextmanager
    async def _call(self, context: CallContext) -> AsyncIterator[Coordinator]:
        async with refusing(context):
            self.authentication.operator(context)
            yield self.federation.coordinator

    def _status(self) -> pb.StatusResponse:
        coordinator = self.federation.coordinator
        state, machine = coordinator.state, coordinator.machine
        present = coordinator.presence.present()
        waited = describe_wait(machine, state, present)
        now = coordinator.clock()
        collecting = state.phase is FederationPhase.COLLECTING
        return pb.StatusResponse(
            federation_id=state.federation_id,
            phase=state.phase,
            reason=state.reason,
            round=state.round,
            rounds=machine.rounds,
            paused=state.paused_at is not None,
            clients=[self._client(name, present=name in present) for name in sorted(state.members)],
            deadline_seconds=max(0.0, state.deadline - now) if collecting else 0.0,
            waits_for=waited.what,
            waits_until=time.time() + waited.until - now if waited.until else 0.0,  # by the machine's clock
            then=waited.then,
            epoch=state.epoch,
        )

    def _client(self, name: str, *, present: bool) -> pb.ClientStatus:
        coordinator = self.federation.coordinator
        state, presence = coordinator.state, coordinator.presence
        return pb.ClientStatus(
            name=name,
            present=present,
            participates=name in state.participants,
            delivered=name in state.delivered,
            silent_seconds=presence.silence(name),
            bytes_up=self.traffic.up[name],
            bytes_down=self.traffic.down[name],
            evicted=name in state.evicted,
            status=client_status(state, name, present=present),
            late_round=state.late.get(name, 0),
            returns=presence.returns[name],
        )


def event_of(number: int, fact: Fact) -> pb.WatchResponse:
    """Return a fact as `Watch` shows it."""
    fields = {
        "round": "round",
        "client": "client_name",
        "metrics": "metrics",
        "participants": "participants",
        "state": "state",
        "reason": "reason",
    }
    given = {there: getattr(fact, here) for here, there in fields.items() if hasattr(fact, here)}
    return pb.WatchResponse(number=number, unix_seconds=fact.at, kind=fact.kind, text=str(fact), **given)
