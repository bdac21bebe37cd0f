"""A server that means no good: a client takes no more than the specification allows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from support.federations import OPEN, SPEC

from limbeck_client.transport import GrpcTransport, Member
from limbeck_common.core.errors import SizeError, StreamError, UnreachableError
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.federation_pb2_grpc import FederationServicer, add_FederationServicer_to_server

LARGEST = 4 * SPEC.open_rows * SPEC.output.width


class Hostile(FederationServicer):
    """Says what it was made with."""

    def __init__(self, spec_json: str = "", payload_size: int = 0) -> None:
        self._spec_json = spec_json or SPEC.model_dump_json()
        self._payload_size = payload_size

    async def Join(self, request: pb.JoinRequest, context: Any) -> pb.JoinResponse:  # noqa: ARG002, N802 - gRPC's
        return pb.JoinResponse(federation_id="f", spec_json=self._spec_json)

    async def Pull(self, request: pb.PullRequest, context: Any) -> AsyncIterator[pb.PullResponse]:  # noqa: ARG002, N802
        yield pb.PullResponse(head=pb.Downlink(federation_id="f", round=1, payload_size=self._payload_size))


async def meet(hostile: Hostile, compression: grpc.Compression = grpc.Compression.NoCompression) -> None:
    server = grpc.aio.server(compression=compression)
    add_FederationServicer_to_server(hostile, server)
    transport = GrpcTransport(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    await server.start()
    try:
        await transport.join("a", open_digest(OPEN), 3)
        await transport.pull(Member("f", 1, "a"), 0, 0, SPEC.open_rows)
    finally:
        await transport.close()
        await server.stop(None)


def test_a_downlink_larger_than_a_label_for_every_open_row_is_refused() -> None:
    with pytest.raises(SizeError, match=f"expected at most {LARGEST}"):
        asyncio.run(meet(Hostile(payload_size=LARGEST + 1)))
    with pytest.raises(StreamError, match="ended after 0 bytes"):
        asyncio.run(meet(Hostile(payload_size=LARGEST)))


@pytest.mark.parametrize("spec_json", ["?", "[" * 5000, SPEC.model_dump_json().replace('"width":3', '"width":-3')])
def test_a_specification_that_makes_no_sense_is_refused(spec_json: str) -> None:
    with pytest.raises(StreamError, match="no specification"):
        asyncio.run(meet(Hostile(spec_json)))


def test_a_compressed_answer_is_not_taken() -> None:
    with pytest.raises(UnreachableError):
        asyncio.run(meet(Hostile(spec_json=SPEC.model_dump_json() + " " * (3 << 20)), grpc.Compression.Gzip))
