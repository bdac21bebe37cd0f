"""The Operator service: status, events, and the few things that a person may tell the daemon."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from limbeck_common.core.errors import MembershipError
from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_common.wire.v1.operator_pb2_grpc import OperatorServicer
from limbeck_server.events import Fact
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.machine import FederationPhase
from limbeck_server.round.status import client_status, describe_wait
from limbeck_server.round.validation import check_name
from limbeck_server.rpc.authentication import Authentication, CallContext
from limbeck_server.rpc.errors import refusing
from limbeck_server.rpc.federation_service import Traffic
from limbeck_server.telling import tell


@dataclass
class OperatorService(OperatorServicer):
    """See proto/limbeck_common/wire/v1/operator.proto."""

    coordinator: Coordinator
    traffic: Traffic
    authentication: Authentication = field(default_factory=Authentication)

    async def Status(self, request: pb.StatusRequest, context: CallContext) -> pb.StatusResponse:  # noqa: ARG002 - no fields
        async with refusing(context):
            self.authentication.operator(context)
            return self._status()

    async def Watch(self, request: pb.WatchRequest, context: CallContext) -> AsyncIterator[pb.WatchResponse]:
        async with refusing(context):
            self.authentication.operator(context)
            async for number, fact in self.coordinator.watch(request.after_event):
                self.authentication.operator(context)  # again: it may have been revoked meanwhile
                yield _event(number, fact)

    async def Pause(self, request: pb.PauseRequest, context: CallContext) -> pb.PauseResponse:  # noqa: ARG002 - no fields
        async with refusing(context):
            self.authentication.operator(context)
            await self.coordinator.operate(self.coordinator.machine.pause(self.coordinator.state, time.time()))
        return pb.PauseResponse()

    async def Resume(self, request: pb.ResumeRequest, context: CallContext) -> pb.ResumeResponse:  # noqa: ARG002 - no fields
        async with refusing(context):
            self.authentication.operator(context)
            await self.coordinator.operate(self.coordinator.machine.resume(self.coordinator.state, time.time()))
        return pb.ResumeResponse()

    async def Stop(self, request: pb.StopRequest, context: CallContext) -> pb.StopResponse:
        async with refusing(context):
            self.authentication.operator(context)
            reason = request.reason or "stopped by an operator"
            await self.coordinator.operate(self.coordinator.machine.stop(self.coordinator.state, reason, time.time()))
        return pb.StopResponse()

    async def Evict(self, request: pb.EvictRequest, context: CallContext) -> pb.EvictResponse:
        async with refusing(context):
            self.authentication.operator(context)
            name = check_name(request.client_name)
            if name not in self.coordinator.state.members:
                members = ", ".join(sorted(self.coordinator.state.members)) or "nobody yet"
                raise MembershipError(f"{name} is not a member", expected=f"one of: {members}")
            await self.coordinator.operate(self.coordinator.machine.evict(self.coordinator.state, name, time.time()))
        return pb.EvictResponse()

    def _status(self) -> pb.StatusResponse:
        state, machine = self.coordinator.state, self.coordinator.machine
        present = self.coordinator.presence.present()
        wait = describe_wait(machine, state, present)
        collecting = state.phase is FederationPhase.COLLECTING
        return pb.StatusResponse(
            federation_id=state.federation_id,
            phase=state.phase,
            reason=state.reason,
            round=state.round,
            rounds=machine.rounds,
            paused=state.paused_at is not None,
            clients=[self._client(name, present=name in present) for name in sorted(state.members)],
            deadline_seconds=max(0.0, state.deadline - time.time()) if collecting else 0.0,
            waits_for=wait.what,
            waits_until=wait.until,
            then=wait.then,
        )

    def _client(self, name: str, *, present: bool) -> pb.ClientStatus:
        state, presence = self.coordinator.state, self.coordinator.presence
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


def _event(number: int, fact: Fact) -> pb.WatchResponse:
    fields = vars(fact)
    return pb.WatchResponse(
        number=number,
        unix_seconds=fact.at,
        kind=fact.kind,
        round=fields.get("round", 0),
        client_name=fields.get("client", ""),
        metrics=fields.get("metrics", {}),
        text=tell(fact),
        participants=fields.get("participants", ()),
    )
