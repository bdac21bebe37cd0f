"""The operator's calls to a daemon."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from limbeck_common.core.errors import UnreachableError
from limbeck_common.wire.calls import translating
from limbeck_common.wire.credentials import Credentials, open_channel
from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_common.wire.v1.operator_pb2_grpc import OperatorStub

_SECONDS = 10.0
_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Daemon:
    """A daemon's address, and the credentials to dial it with; None for plain text."""

    address: str
    credentials: Credentials | None

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """Open a channel and close it at the end.

        Raises:
            UnreachableError: the daemon did not answer a call in between.
            RefusalError: it refused one.
        """
        with translating(self.address):
            async with open_channel(self.address, self.credentials) as channel:
                yield channel

    async def health(self) -> str:
        """Return the standard health service's answer for the whole daemon, such as SERVING.

        Raises:
            UnreachableError: no daemon answers at its address.
        """
        async with self.channel() as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # its type stubs leave the calls out
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    async def status(self) -> pb.StatusResponse:
        """Return the state of the federation and its clients.

        Raises:
            UnreachableError: no daemon answers at its address.
        """
        async with self.channel() as channel:
            answer: pb.StatusResponse = await OperatorStub(channel).Status(pb.StatusRequest(), timeout=_SECONDS)
        return answer

    async def send(self, request: Message) -> None:
        """Send an operator's request, and return once the daemon has carried it out.

        The call has the name of its request: `PauseRequest` goes to `Pause`.

        Raises:
            UnreachableError: no daemon answers at its address.
            RefusalError: the daemon refused.
        """
        async with self.channel() as channel:
            call = getattr(OperatorStub(channel), type(request).__name__.removesuffix("Request"))
            await call(request, timeout=_SECONDS)

    async def watch(
        self,
        after: int,
        patience: float,
        *,
        show: Callable[[pb.WatchResponse], None],
        warn: Callable[[str], None],
    ) -> None:
        """Show every event after number `after` until the federation ends.

        While no daemon answers, `warn` says so once, and the call is tried again for `patience` seconds.

        Raises:
            UnreachableError: no daemon answered for `patience` seconds.
            RefusalError: the daemon refused.
        """
        lost: float | None = None
        watched: tuple[str, int] | None = None
        while True:
            try:
                answer = await self.status()
                found = (answer.federation_id, answer.epoch)
                if lost is not None:
                    warn(f"{self.address} answers again")
                if watched is not None and watched != found:
                    warn("it runs another federation, or its store was restored: events are shown from the first one")
                    after = 0
                lost, watched = None, found
                async with self.channel() as channel:
                    async for event in OperatorStub(channel).Watch(pb.WatchRequest(after_event=after)):
                        after = event.number
                        show(event)
            except UnreachableError as error:
                if lost is None:
                    lost = time.monotonic()
                    warn(f"{error.wrong}; trying again for {patience:g} s")
                if time.monotonic() - lost >= patience:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return
