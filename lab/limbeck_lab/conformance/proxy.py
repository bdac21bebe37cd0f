"""Stands in for the server: passes one client's calls on to it, and disturbs them as the trial says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from limbeck_common.core.errors import EpochError, RefusalError, StoreFullError
from limbeck_common.wire.payload import GO_AHEAD
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1 import operator_pb2
from limbeck_common.wire.v1.federation_pb2_grpc import FederationServicer, FederationStub
from limbeck_common.wire.v1.operator_pb2_grpc import OperatorStub
from limbeck_lab.conformance.trial import Situation, Trial
from limbeck_server.rpc.errors import refusing

Context = grpc.aio.ServicerContext[Any, Any]
_AGAIN_SECONDS = 0.1


@dataclass
class Proxy(FederationServicer):
    """Passes calls on to the server behind `channel`. `restart` kills the client and starts it again."""

    channel: grpc.aio.Channel
    trial: Trial
    restart: Callable[[], Awaitable[None]]

    def __post_init__(self) -> None:
        self._server: Any = FederationStub(self.channel)
        self._operator: Any = OperatorStub(self.channel)
        self._pulls = 0
        self._restart: asyncio.Future[None] | None = None

    async def Join(self, request: pb.JoinRequest, context: Context) -> pb.JoinResponse:
        if request.open_digest:
            self.trial.joined()
        async with _passing(context):
            answer: pb.JoinResponse = await self._server.Join(request)
        return answer

    async def OpenData(self, request: pb.OpenDataRequest, context: Context) -> AsyncIterator[pb.OpenDataResponse]:
        async with _passing(context):
            async for message in self._server.OpenData(request):
                yield message

    async def Decline(self, request: pb.DeclineRequest, context: Context) -> pb.DeclineResponse:
        async with _passing(context):
            answer: pb.DeclineResponse = await self._server.Decline(request)
        return answer

    async def Pull(self, request: pb.PullRequest, context: Context) -> AsyncIterator[pb.PullResponse]:
        situation = self.trial.pulled(request.after_round)
        if situation is Situation.IDLE:
            yield pb.PullResponse(idle=pb.Idle(phase="lobby"))
            return
        if situation is Situation.NEW_EPOCH:
            await _refuse(context, EpochError("the conformance server says so", remedy="join again"))
        self._pulls += 1
        try:
            async with _passing(context):
                async for message in self._server.Pull(request):
                    if situation is Situation.CUT_DOWNLINK and message.HasField("head"):
                        yield pb.PullResponse(head=message.head, chunk=message.chunk[: len(message.chunk) // 2])
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection is cut")
                    yield message
        finally:
            self._pulls -= 1

    async def Push(self, stream: AsyncIterator[pb.PushRequest], context: Context) -> pb.PushResponse:
        messages = [await anext(aiter(stream))]
        head = messages[0].head
        await context.send_initial_metadata((GO_AHEAD,))
        messages += [message async for message in stream]
        trial = self.trial
        trial.pushed(head.round, head.digest, len(head.parts), pulling=self._pulls > 0)
        if trial.disturbs(Situation.STORE_FULL, head.round):
            await _refuse(context, StoreFullError("the conformance server says so", remedy="try again"))
        if trial.disturbs(Situation.LATE, head.round):
            await self._close_round()
        async with _passing(context):
            answer: pb.PushResponse = await self._server.Push(iter(messages))
        if trial.disturbs(Situation.LOST_RECEIPT, head.round):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the receipt is lost")
        if trial.disturbs(Situation.KILLED, head.round):
            # The client's end cancels this call, but must not cancel its new start.
            self._restart = asyncio.ensure_future(self.restart())
            await asyncio.shield(self._restart)
        return answer

    async def _close_round(self) -> None:
        """Close the round without this client, as soon as another one has delivered."""
        while True:
            try:
                await self._operator.CloseRound(operator_pb2.CloseRoundRequest())
            except grpc.aio.AioRpcError:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return


@asynccontextmanager
async def _passing(context: Context) -> AsyncIterator[None]:
    """Pass on a failure of the server's, with all that it says."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        await context.abort(error.code(), error.details() or "", error.trailing_metadata())


async def _refuse(context: Context, refusal: RefusalError) -> None:
    async with refusing(context):
        raise refusal
