"""The operator's side: ask a daemon, and print what it says."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson
from grpc_health.v1 import health_pb2, health_pb2_grpc

from limbeck_common.wire.calls import translating
from limbeck_common.wire.credentials import Credentials, open_channel
from limbeck_common.wire.v1 import operator_pb2 as pb
from limbeck_common.wire.v1.operator_pb2_grpc import OperatorStub

_SECONDS = 10.0


@dataclass(frozen=True)
class Daemon:
    """Whom to ask, and with which credentials; None for plain text."""

    address: str
    credentials: Credentials | None

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """Dial, and hang up at the end. Raises UnreachableError, RefusalError for what fails in between."""
        with translating(self.address):
            async with open_channel(self.address, self.credentials) as channel:
                yield channel


async def health(daemon: Daemon) -> str:
    """Return what the standard health service says of the whole daemon: SERVING, or another of its words.

    Raises:
        UnreachableError: no daemon answers at its address.
    """
    async with daemon.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its types leave the calls out
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def status(daemon: Daemon, *, as_json: bool) -> str:
    """Return the federation's state as text, or as JSON.

    Raises:
        UnreachableError: no daemon answers at its address.
    """
    async with daemon.channel() as channel:
        answer = await OperatorStub(channel).Status(pb.StatusRequest(), timeout=_SECONDS)
    if as_json:
        return MessageToJson(answer, always_print_fields_with_no_presence=True, preserving_proto_field_name=True)
    return "\n".join(lines(answer))


async def watch(daemon: Daemon, after: int, *, as_json: bool, show: Callable[[str], None]) -> None:
    """Show events until the federation ends.

    Raises:
        UnreachableError: no daemon answers at its address, or it goes away.
    """
    async with daemon.channel() as channel:
        async for event in OperatorStub(channel).Watch(pb.WatchRequest(after_event=after)):
            if as_json:
                show(MessageToJson(event, indent=None, preserving_proto_field_name=True))
            else:
                show(f"{_clock(event.unix_seconds)}  {event.text}")


async def tell(daemon: Daemon, what: str, **fields: str) -> None:
    """Carry one operator's word to the daemon: pause, resume, stop or evict.

    Raises:
        UnreachableError: no daemon answers at its address.
        RefusalError: it refused.
    """
    async with daemon.channel() as channel:
        stub = OperatorStub(channel)
        match what:
            case "pause":
                await stub.Pause(pb.PauseRequest(), timeout=_SECONDS)
            case "resume":
                await stub.Resume(pb.ResumeRequest(), timeout=_SECONDS)
            case "stop":
                await stub.Stop(pb.StopRequest(**fields), timeout=_SECONDS)
            case "evict":
                await stub.Evict(pb.EvictRequest(**fields), timeout=_SECONDS)


def lines(answer: pb.StatusResponse) -> Iterator[str]:
    """Yield a federation's status as lines for people."""
    paused = " (paused)" if answer.paused else ""
    round_number = min(answer.round, answer.rounds)
    yield f"federation {answer.federation_id}: {answer.phase}{paused}, round {round_number} of {answer.rounds}"
    if answer.reason:
        yield f"  {answer.reason}"
    if answer.waits_for:
        until = f"; at {_clock(answer.waits_until)} {answer.then}" if answer.waits_until else ""
        yield f"  waits for {answer.waits_for}{until}"
    for client in answer.clients:
        what = _describe(client)
        yield f"  {client.name:<24} {what:<32} {client.bytes_up:>12,} bytes up {client.bytes_down:>12,} down"


def _describe(client: pb.ClientStatus) -> str:
    """Return how a client stands, and what else an operator would want to know of it."""
    said = [client.status]
    if not client.present and client.status not in {"evicted", "revoked"}:
        since = _clock(time.time() - client.silent_seconds)
        said = [f"away since {since}"] if client.status == "away" else [client.status, f"away since {since}"]
    if client.late_round and client.status != "late":
        said.append(f"late in round {client.late_round}")
    if client.returns:
        said.append(f"returned {client.returns} times")
    return ", ".join(said)


def _clock(at: float) -> str:
    """Return a time in seconds since the Unix epoch as this machine's clock shows it."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S")
