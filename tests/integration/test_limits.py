"""What one client may take of the daemon: time, calls, connections, memory and disk."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from support.federations import SPEC
from support.live_server import Served, push_messages, reason, served

from limbeck_common.core.spec import MethodSpec, Output
from limbeck_common.wire.calls import OPTIONS
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.settings import LimitSettings

WIDE = SPEC.model_copy(
    update={"output": Output(width=60_000), "method": MethodSpec(name="dsfl", options={"open_per_round": 8})}
)  # an uplink of 1.9 MB, which goes to a file
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
PUSH = "/limbeck.v1.Federation/Push"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; ten seconds at most."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason(caught.value)


async def both_join(server: Served) -> None:
    await asyncio.gather(server.join("a", output_width=0), server.join("b", output_width=0))
    await server.pull("a")


def wide(server: Served, client: str) -> list[pb.PushRequest]:
    return push_messages(server.uplink(client, values=np.full((8, 60_000), 1 / 60_000, np.float32)))


def stored(server: Served) -> list[Path]:
    return list(server.store.blocks.iterdir())


async def stalling(messages: list[pb.PushRequest]) -> AsyncIterator[pb.PushRequest]:
    for message in messages:
        yield message
    await asyncio.Event().wait()


def test_a_push_that_stalls_is_refused_and_its_file_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, WIDE, LimitSettings(push_seconds=1.0)) as server:
            await both_join(server)
            call = server.stub.Push(stalling(wide(server, "a")[:3]))
            await until(lambda: len(stored(server)) == 1)
            assert await refused(call) == ("DEADLINE_EXCEEDED", "TOO_SLOW")
            assert stored(server) == []
            assert await refused(server.stub.Push(stalling([]))) == ("DEADLINE_EXCEEDED", "TOO_SLOW")
            assert (await server.pull("a"))[0].head.round == 1

    asyncio.run(scenario())


def test_nothing_is_kept_of_what_the_round_does_not_ask_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, WIDE) as server:
            await both_join(server)
            await server.join("late", output_width=0)
            made = 0

            def new_file() -> Path:
                nonlocal made
                made += 1
                return tmp_path / "never"

            server.store.new_file = new_file  # type: ignore[method-assign]
            (head, *rest) = wide(server, "a")
            head.head.payload_size *= 2
            cases = {
                "a stranger": (wide(server, "stranger"), ("PERMISSION_DENIED", "NOT_A_PARTICIPANT")),
                "a member that was not asked": (wide(server, "late"), ("PERMISSION_DENIED", "NOT_A_PARTICIPANT")),
                "more than the rows take": ([head, *rest], ("RESOURCE_EXHAUSTED", "TOO_LARGE")),
                "another shape": (
                    push_messages(server.uplink("a", values=np.ones((8, 90_000), np.float32))),
                    ("INVALID_ARGUMENT", "WRONG_SHAPE"),
                ),
            }
            for what, (messages, expected) in cases.items():
                # Stalled after the head: the answer does not wait for the payload.
                assert (what, await refused(server.stub.Push(stalling(messages[:1])))) == (what, expected)
            assert made == 0

    asyncio.run(scenario())


def test_a_late_or_repeated_uplink_has_its_receipt_before_its_payload(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, WIDE) as server:
            await both_join(server)
            first, second = wide(server, "a"), wide(server, "b")
            assert (await server.push(iter(first))).receipt == pb.RECEIPT_ACCEPTED
            assert (await server.stub.Push(stalling(first[:1]))).receipt == pb.RECEIPT_DUPLICATE
            assert (await server.push(iter(first))).receipt == pb.RECEIPT_DUPLICATE  # sent whole all the same
            await server.push(iter(second))
            await server.join("late", output_width=0)
            await server.pull("a", after=1)
            assert (await server.stub.Push(stalling(wide(server, "late")[:1]))).receipt == pb.RECEIPT_LATE
            assert len(stored(server)) == 3  # two uplinks and an aggregate

    asyncio.run(scenario())


def test_a_client_has_so_many_calls_at_a_time_and_no_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, limits=LimitSettings(calls_per_client=4)) as server:
            await server.join("a")
            waiting = [asyncio.create_task(server.pull("a", wait=20)) for _ in range(4)]
            await until(lambda: server.coordinator.presence._pulling["a"] == 4)  # noqa: SLF001
            for call in (server.pull("a"), server.join("b"), server.push(iter(push_messages(server.uplink("a"))))):
                assert await refused(call) == ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS")
            async with grpc.aio.insecure_channel(
                server.address, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as own:
                join = own.unary_unary("/limbeck.v1.Federation/Join", response_deserializer=pb.JoinResponse.FromString)
                asked = pb.JoinRequest(protocol_version=1, client_name="b").SerializeToString()
                assert (await join(asked)).federation_id == server.federation_id  # another connection is another client
            for call in waiting:
                call.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await until(lambda: not server.coordinator.presence._pulling["a"])  # noqa: SLF001
            await server.join("b")

    asyncio.run(scenario())


def test_connections_are_counted_and_the_open_ones_work_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, limits=LimitSettings(connections=5)) as server, AsyncExitStack() as stack:
            await server.join("a")
            host, _, port = server.address.rpartition(":")
            for _ in range(20):
                stack.callback(socket.create_connection((host, int(port))).close)
            async with grpc.aio.insecure_channel(server.address, options=OWN_CONNECTION) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.unary_unary("/limbeck.v1.Federation/Join")(b"", timeout=2)
            assert caught.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
            await server.join("b")
            assert (await server.pull("a"))[0].head.round == 1

    asyncio.run(scenario())


def test_what_is_no_protobuf_is_refused_like_any_other_bad_stream(tmp_path: Path) -> None:
    junk = b"\xff" * 40

    async def scenario() -> None:
        async with served(tmp_path) as server, grpc.aio.insecure_channel(server.address, options=OPTIONS) as channel:
            await both_join(server)
            for method in ("Federation/Join", "Operator/Status", "Operator/Stop"):
                call = channel.unary_unary(f"/limbeck.v1.{method}")(junk)
                assert (method, await refused(call)) == (method, ("INVALID_ARGUMENT", "BAD_STREAM"))
            for method in ("Federation/Pull", "Federation/OpenData", "Operator/Watch"):
                call = anext(aiter(channel.unary_stream(f"/limbeck.v1.{method}")(junk)))
                assert (method, await refused(call)) == (method, ("INVALID_ARGUMENT", "BAD_STREAM"))
            (good,) = push_messages(server.uplink("a"))
            half = pb.PushRequest(head=good.head, chunk=good.chunk[:50]).SerializeToString()
            for sent in ([junk], [half, junk]):
                assert await refused(channel.stream_unary(PUSH)(iter(sent))) == ("INVALID_ARGUMENT", "BAD_STREAM")
            await server.push(iter([good]))

    asyncio.run(scenario())


def test_a_message_is_taken_neither_too_large_nor_compressed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as server:
            await both_join(server)
            (good,) = push_messages(server.uplink("a"))
            swollen = pb.PushRequest(head=good.head, chunk=bytes(1 << 20)).SerializeToString()
            bomb = pb.JoinRequest(open_digest=bytes(3 << 20)).SerializeToString()
            for compression, expected in (
                (grpc.Compression.NoCompression, grpc.StatusCode.RESOURCE_EXHAUSTED),
                (grpc.Compression.Gzip, grpc.StatusCode.UNIMPLEMENTED),
            ):
                async with grpc.aio.insecure_channel(server.address, compression=compression) as channel:
                    for call in (
                        channel.stream_unary(PUSH)(iter([swollen])),
                        channel.unary_unary("/limbeck.v1.Federation/Join")(bomb),
                    ):
                        with pytest.raises(grpc.aio.AioRpcError) as caught:
                            await call
                        assert caught.value.code() is expected
            await server.push(iter([good]))

    asyncio.run(scenario())


def test_a_call_that_never_speaks_holds_up_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, limits=LimitSettings(calls_per_client=100)) as server:
            silent = [server.stub.Push(stalling([])) for _ in range(50)]
            await both_join(server)
            for name in ("a", "b"):
                await server.push(iter(push_messages(server.uplink(name))))
            assert (await server.pull("a", after=1))[0].head.round == 2
            for call in silent:
                call.cancel()

    asyncio.run(scenario())
