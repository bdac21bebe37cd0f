"""Bad input over the network: the right status and reason, nothing kept, and the federation goes on."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from support.federations import OPEN
from support.live_server import Served, push_messages, reason, served

from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Uplink
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.settings import LimitSettings

Change = Callable[[Served], list[pb.PushRequest]]


def changed(**fields: Any) -> Change:
    return lambda server: push_messages(server.uplink("a", **fields))


def with_values(change: Callable[[np.ndarray[Any, Any]], object], dtype: type = np.float32) -> Change:
    def messages(server: Served) -> list[pb.PushRequest]:
        values = np.full((8, 3), 1 / 3, dtype)
        change(values)
        return push_messages(server.uplink("a", values=values))

    return messages


def of_kind(kind: Kind) -> Change:
    def messages(server: Served) -> list[pb.PushRequest]:
        uplink = server.uplink("a")
        parts = {"labels": replace(uplink.parts["labels"], kind=kind)}
        return push_messages(replace(uplink, parts=parts, digest=parts_digest(parts)))

    return messages


def nothing(server: Served) -> list[pb.PushRequest]:
    return push_messages(Uplink(server.federation_id, "a", 1, digest=parts_digest({})))


def truncated(server: Served) -> list[pb.PushRequest]:
    (message,) = push_messages(server.uplink("a"))
    return [pb.PushRequest(head=message.head, chunk=message.chunk[:-4])]


def overlong(server: Served) -> list[pb.PushRequest]:
    return [*push_messages(server.uplink("a")), pb.PushRequest(chunk=b"more")]


def lying_about_its_size(server: Served) -> list[pb.PushRequest]:
    (message,) = push_messages(server.uplink("a"))
    message.head.payload_size = 1 << 40
    return [message]


def two_heads(server: Served) -> list[pb.PushRequest]:
    return push_messages(server.uplink("a")) * 2


def headless(server: Served) -> list[pb.PushRequest]:
    (message,) = push_messages(server.uplink("a"))
    return [pb.PushRequest(chunk=message.chunk)]


def damaged(server: Served) -> list[pb.PushRequest]:
    (message,) = push_messages(server.uplink("a"))
    return [pb.PushRequest(head=message.head, chunk=bytes(len(message.chunk)))]


REFUSED = {
    "a NaN": (with_values(lambda v: v.__setitem__((3, 1), np.nan)), "INVALID_ARGUMENT", "BAD_VALUES"),
    "an infinity": (with_values(lambda v: v.__setitem__((0, 0), np.inf)), "INVALID_ARGUMENT", "BAD_VALUES"),
    "a negative probability": (with_values(lambda v: v.__setitem__((2, 0), -0.3)), "INVALID_ARGUMENT", "BAD_VALUES"),
    "rows that do not sum to 1": (with_values(lambda v: v.__imul__(0.8)), "INVALID_ARGUMENT", "BAD_VALUES"),
    "float64": (with_values(lambda _: None, np.float64), "INVALID_ARGUMENT", "WRONG_SHAPE"),
    "too many classes": (changed(values=np.full((8, 4), 0.25, np.float32)), "INVALID_ARGUMENT", "WRONG_SHAPE"),
    "too few rows of values": (changed(values=np.full((7, 3), 1 / 3, np.float32)), "INVALID_ARGUMENT", "WRONG_SHAPE"),
    "three axes": (changed(values=np.full((8, 3, 1), 1 / 3, np.float32)), "INVALID_ARGUMENT", "WRONG_SHAPE"),
    "logits": (of_kind(Kind.LOGITS), "INVALID_ARGUMENT", "WRONG_SHAPE"),
    "other rows": (changed(rows=np.arange(8)), "INVALID_ARGUMENT", "WRONG_KEYS"),
    "rows past the open set": (changed(rows=np.arange(13, 21)), "INVALID_ARGUMENT", "WRONG_KEYS"),
    "no predictions": (nothing, "INVALID_ARGUMENT", "WRONG_KEYS"),
    "a later round": (changed(round=2), "UNAVAILABLE", "SERVER_BEHIND"),
    "round 0": (changed(round=0), "INVALID_ARGUMENT", "WRONG_ROUND"),
    "another federation": (changed(federation_id="other"), "FAILED_PRECONDITION", "WRONG_FEDERATION"),
    "a stranger": (lambda s: push_messages(s.uplink("stranger")), "PERMISSION_DENIED", "NOT_A_PARTICIPANT"),
    "a bad name": (lambda s: push_messages(s.uplink("../a")), "INVALID_ARGUMENT", "BAD_CLIENT_NAME"),
    "metrics that are not numbers": (changed(metrics={"accuracy": np.nan}), "INVALID_ARGUMENT", "BAD_VALUES"),
    "a truncated stream": (truncated, "INVALID_ARGUMENT", "BAD_STREAM"),
    "an overlong stream": (overlong, "RESOURCE_EXHAUSTED", "TOO_LARGE"),
    "a size over the limit": (lying_about_its_size, "RESOURCE_EXHAUSTED", "TOO_LARGE"),
    "two heads": (two_heads, "INVALID_ARGUMENT", "BAD_STREAM"),
    "no head": (headless, "INVALID_ARGUMENT", "BAD_STREAM"),
    "an empty stream": (lambda _: [], "INVALID_ARGUMENT", "BAD_STREAM"),
    "values that were damaged on their way": (damaged, "INVALID_ARGUMENT", "BAD_STREAM"),
}


def test_every_bad_push_is_refused_and_the_good_ones_still_make_the_round(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path, limits=LimitSettings(payload_bytes=1 << 20)) as server:
            await server.join("a")
            await server.join("b")
            await server.pull("a")
            for what, (messages, status, why) in REFUSED.items():
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await server.push(iter(messages(server)))
                assert (what, *reason(caught.value)) == (what, status, why)
            assert not server.coordinator.state.delivered
            good = push_messages(server.uplink("a"))
            assert (await server.push(iter(good))).receipt == pb.RECEIPT_ACCEPTED
            assert (await server.push(iter(good))).receipt == pb.RECEIPT_DUPLICATE
            other = push_messages(server.uplink("a", values=np.tile(np.float32([1, 0, 0]), (8, 1))))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await server.push(iter(other))
            assert reason(caught.value) == ("ALREADY_EXISTS", "CONFLICTING_UPLINK")
            await server.push(iter(push_messages(server.uplink("b"))))
            (answer,) = await server.pull("a", after=1)
            assert answer.head.round == 2
            assert (await server.push(iter(good))).receipt == pb.RECEIPT_DUPLICATE
            assert list(server.store.blocks.iterdir()) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"protocol_version": 2}, "FAILED_PRECONDITION", "PROTOCOL_VERSION"),
        ({"open_digest": bytes(32)}, "FAILED_PRECONDITION", "OPEN_SET_DIFFERS"),
        ({"open_digest": open_digest(OPEN[::-1])}, "FAILED_PRECONDITION", "OPEN_SET_DIFFERS"),
        ({"output_width": 10}, "FAILED_PRECONDITION", "OUTPUT_DIFFERS"),
        ({"client_name": ""}, "INVALID_ARGUMENT", "BAD_CLIENT_NAME"),
        ({"client_name": "x" * 65}, "INVALID_ARGUMENT", "BAD_CLIENT_NAME"),
    ],
)
def test_a_bad_join_is_refused_and_makes_no_member(
    tmp_path: Path, fields: dict[str, Any], status: str, why: str
) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as server:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await server.join("a", **fields)
            assert reason(caught.value) == (status, why)
            assert not server.coordinator.state.members

    asyncio.run(scenario())


def test_a_late_uplink_is_answered_late_and_a_pull_for_another_federation_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as server:
            await server.join("a")
            await server.join("b")
            for name in ("a", "b"):
                await server.push(iter(push_messages(server.uplink(name))))
            await server.join("c")
            await server.pull("a", after=1)
            assert (await server.push(iter(push_messages(server.uplink("c"))))).receipt == pb.RECEIPT_LATE
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [m async for m in server.stub.Pull(pb.PullRequest(federation_id="old", client_name="a"))]
            assert reason(caught.value) == ("FAILED_PRECONDITION", "WRONG_FEDERATION")

    asyncio.run(scenario())


def test_the_open_data_comes_in_chunks_from_any_offset(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as server:
            for offset in (0, 3, 80, 999):
                request = pb.OpenDataRequest(federation_id=server.federation_id, offset=offset)
                got = b"".join([message.chunk async for message in server.stub.OpenData(request)])
                assert got == OPEN.tobytes()[offset:]

    asyncio.run(scenario())
