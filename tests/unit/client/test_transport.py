"""Every field of the five calls, against a server that says what a test has told it to say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from support.method_rounds import plan_of

from limbeck_client.transport import GrpcTransport, Member
from limbeck_common.core.blocks import Block, Rows, Space, soft_labels
from limbeck_common.core.errors import KeysError, SizeError, StreamError, UnreachableError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Downlink, Ended, Idle, Invitation, Receipt, Uplink
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.wire.codec import encode_downlink, encode_uplink
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import GO_AHEAD, chunks
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.federation_pb2_grpc import FederationServicer, add_FederationServicer_to_server

SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=200_000)
ONE_ROW = SPEC.model_copy(update={"open_rows": 1})
AGGREGATE = {"labels": soft_labels(Rows(np.arange(100_000)), np.full((100_000, 2), 0.5, np.float32))}
MEMBER = Member("f", 3, "a")
SMALL = {"labels": soft_labels(Rows(np.arange(2)), np.full((2, 2), 0.5, np.float32))}


class Fake(FederationServicer):
    """Records its requests; `pulls` and `receipt` are its answers, and `go_ahead` whether it lets a payload follow."""

    def __init__(self, **fields: Any) -> None:
        self.requests: list[Any] = []
        self.join = pb.JoinResponse(federation_id="f", spec_json=SPEC.model_dump_json(), epoch=3, **fields)
        self.pulls: list[pb.PullResponse] = []
        self.receipt = pb.RECEIPT_ACCEPTED
        self.go_ahead = True

    async def Join(self, request: pb.JoinRequest, context: Any) -> pb.JoinResponse:  # noqa: ARG002, N802 - gRPC's
        self.requests.append(request)
        return self.join

    async def Pull(self, request: pb.PullRequest, context: Any) -> AsyncIterator[pb.PullResponse]:  # noqa: ARG002, N802
        self.requests.append(request)
        for message in self.pulls:
            yield message

    async def Push(self, stream: AsyncIterator[pb.PushRequest], context: Any) -> pb.PushResponse:  # noqa: N802
        async for message in stream:
            self.requests.append(message)
            if len(self.requests) == 1 and self.go_ahead:
                await context.send_initial_metadata((GO_AHEAD,))
            if not self.go_ahead:
                break
        return pb.PushResponse(receipt=self.receipt)

    async def Decline(self, request: pb.DeclineRequest, context: Any) -> pb.DeclineResponse:  # noqa: ARG002, N802
        self.requests.append(request)
        return pb.DeclineResponse()

    async def OpenData(  # noqa: N802
        self,
        request: pb.OpenDataRequest,
        context: Any,  # noqa: ARG002
    ) -> AsyncIterator[pb.OpenDataResponse]:
        self.requests.append(request)
        for chunk in (b"12", b"345"):
            yield pb.OpenDataResponse(chunk=chunk)


def talk(fake: Fake, scene: Callable[[GrpcTransport], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        server = grpc.aio.server()
        add_FederationServicer_to_server(fake, server)
        transport = GrpcTransport(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", wait=7.0)
        await server.start()
        try:
            return await scene(transport)
        finally:
            await transport.close()
            await server.stop(None)

    return asyncio.run(main())


def downlink(aggregate: Any = AGGREGATE) -> list[pb.PullResponse]:
    head, tensors = encode_downlink(Downlink("f", 4, aggregate, plan_of(DSFL(), SPEC, Rows(np.arange(3))), 5.0))
    parts = list(chunks(tensors)) or [b""]
    return [pb.PullResponse(head=head, chunk=parts[0]), *(pb.PullResponse(chunk=part) for part in parts[1:])]


def test_join_says_who_asks_and_returns_the_invitation() -> None:
    fake = Fake(open_digest=b"digest", open_data_size=80, open_data_served=True, unix_seconds=12.5)
    invitation = talk(fake, lambda transport: transport.join("a", b"mine", 2))
    assert fake.requests == [pb.JoinRequest(protocol_version=1, client_name="a", open_digest=b"mine", output_width=2)]
    assert invitation == Invitation("f", SPEC.model_dump_json(), b"digest", 80, 12.5, 3)
    fake = Fake(open_digest=b"digest", open_data_size=80, open_data_served=False)
    assert talk(fake, lambda transport: transport.join("a", b"", 0)).open_data_size == 0


def test_pull_says_where_the_client_is_and_returns_a_downlink_of_many_chunks() -> None:
    fake = Fake()
    fake.pulls = downlink()
    assert len(fake.pulls) == 4

    async def scene(transport: GrpcTransport) -> Any:
        await transport.join("a", b"", 0)
        return await transport.pull(MEMBER, 2, 1, SPEC.open_rows)

    answer = talk(fake, scene)
    assert fake.requests[1] == pb.PullRequest(
        federation_id="f", client_name="a", after_round=2, learned_round=1, wait_seconds=2.0, epoch=3
    )
    assert isinstance(answer, Downlink)
    assert (answer.federation_id, answer.round, answer.deadline_seconds, answer.closing) == ("f", 4, 5.0, False)
    assert answer.plan is not None
    assert answer.plan["labels"].rows.indices.tolist() == [0, 1, 2]
    assert parts_digest(answer.aggregate) == parts_digest(AGGREGATE)


def test_a_pull_may_be_answered_with_idle_or_with_the_end() -> None:
    fake = Fake()
    fake.pulls = [pb.PullResponse(idle=pb.Idle(phase="lobby", round=2))]
    assert talk(fake, lambda transport: transport.pull(MEMBER, 0, 0, 9)) == Idle("lobby", 2)
    fake.pulls = [pb.PullResponse(ended=pb.Ended(state="failed", reason="why"))]
    assert talk(fake, lambda transport: transport.pull(MEMBER, 0, 0, 9)) == Ended("failed", "why")


def test_a_pull_that_is_answered_with_nothing_or_with_too_little_is_refused() -> None:
    fake = Fake()
    with pytest.raises(StreamError, match="the server answered a pull with nothing"):
        talk(fake, lambda transport: transport.pull(MEMBER, 0, 0, 9))

    async def scene(transport: GrpcTransport) -> Any:
        await transport.join("a", b"", 0)
        return await transport.pull(MEMBER, 0, 0, SPEC.open_rows)

    fake.pulls = downlink()[:-1]
    with pytest.raises(StreamError, match="ended after"):
        talk(fake, scene)


def test_an_aggregate_that_names_a_class_beyond_the_specifications_is_refused() -> None:
    fake = Fake()
    block = Block(Space.CLASSES, Rows(np.array([0, 2])), Kind.LOGITS, (np.zeros((2, 9), np.float32),))
    fake.pulls = downlink({"outputs": block})

    async def scene(transport: GrpcTransport) -> Any:
        await transport.join("a", b"", 0)
        return await transport.pull(MEMBER, 0, 0, SPEC.open_rows)

    with pytest.raises(KeysError, match="rows below 2"):
        talk(fake, scene)


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        (SPEC, 4 * 200_000 * 2),
        (ONE_ROW, 4 * 1 * 2),
        (ONE_ROW.model_copy(update={"method": MethodSpec(name="fedavg")}), 1 << 28),
    ],
)
def test_a_downlink_is_as_large_as_the_specification_allows_and_no_larger(spec: Spec, most: int) -> None:
    fake = Fake()
    fake.join.spec_json = spec.model_dump_json()

    async def scene(transport: GrpcTransport) -> Any:
        await transport.join("a", b"", 0)
        return await transport.pull(MEMBER, 0, 0, 1)

    for size, error in ((most, StreamError), (most + 1, SizeError)):
        fake.pulls = [pb.PullResponse(head=pb.Downlink(federation_id="f", round=1, payload_size=size))]
        with pytest.raises(error):
            talk(fake, scene)


@pytest.mark.parametrize(
    ("number", "receipt"),
    [
        (pb.RECEIPT_ACCEPTED, Receipt.ACCEPTED),
        (pb.RECEIPT_DUPLICATE, Receipt.DUPLICATE),
        (pb.RECEIPT_LATE, Receipt.LATE),
    ],
)
def test_a_small_uplink_is_one_message(number: Any, receipt: Receipt) -> None:
    fake = Fake()
    fake.receipt, fake.go_ahead = number, False
    uplink = Uplink("f", "a", 4, SMALL, {"loss": 0.5}, parts_digest(SMALL), 3)
    assert talk(fake, lambda transport: transport.push(uplink)) is receipt
    head, tensors = encode_uplink(uplink)
    assert fake.requests == [pb.PushRequest(head=head, chunk=b"".join(chunks(tensors)))]
    assert fake.requests[0].head.epoch == 3


def test_an_unknown_receipt_is_refused() -> None:
    fake = Fake()
    fake.receipt = 77
    uplink = Uplink("f", "a", 4, {}, {}, parts_digest({}))
    with pytest.raises(StreamError, match="the server gave the unknown receipt 77"):
        talk(fake, lambda transport: transport.push(uplink))


def test_the_rest_of_a_large_uplink_follows_the_go_ahead_and_not_without_it() -> None:
    fake = Fake()
    uplink = Uplink("f", "a", 4, AGGREGATE, {}, parts_digest(AGGREGATE))
    assert talk(fake, lambda transport: transport.push(uplink)) is Receipt.ACCEPTED
    _, tensors = encode_uplink(uplink)
    assert [message.chunk for message in fake.requests] == list(chunks(tensors))
    assert [message.HasField("head") for message in fake.requests] == [True, False, False, False]
    fake = Fake()
    fake.go_ahead, fake.receipt = False, pb.RECEIPT_LATE
    assert talk(fake, lambda transport: transport.push(uplink)) is Receipt.LATE
    assert len(fake.requests) == 1


def test_decline_names_the_round_and_the_epoch() -> None:
    fake = Fake()
    assert talk(fake, lambda transport: transport.decline(MEMBER, 4)) is None
    assert fake.requests == [pb.DeclineRequest(federation_id="f", client_name="a", round=4, epoch=3)]


def test_open_data_is_streamed_from_an_offset() -> None:
    fake = Fake()

    async def scene(transport: GrpcTransport) -> list[bytes]:
        return [chunk async for chunk in transport.open_data("f", 5)]

    assert talk(fake, scene) == [b"12", b"345"]
    assert fake.requests == [pb.OpenDataRequest(federation_id="f", offset=5)]


def test_a_server_that_is_not_there_is_unreachable_in_every_call() -> None:
    async def streamed(transport: GrpcTransport) -> None:
        async for _ in transport.open_data("f", 0):
            pass

    uplink = Uplink("f", "a", 4, SMALL, {}, parts_digest(SMALL))
    calls: list[Callable[[GrpcTransport], Awaitable[Any]]] = [
        lambda transport: transport.join("a", b"", 0),
        lambda transport: transport.pull(MEMBER, 0, 0, 9),
        lambda transport: transport.push(uplink),
        lambda transport: transport.decline(replace(MEMBER, epoch=4), 1),
        streamed,
    ]

    async def main() -> None:
        transport = GrpcTransport("127.0.0.1:1")
        for call in calls:
            with pytest.raises(UnreachableError, match=r"no answer from 127\.0\.0\.1:1"):
                await call(transport)
        await transport.close()

    asyncio.run(main())
