"""A real gRPC server in this process, over a coordinator with a small federation."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status.rpc_status import from_call
from numpy.typing import NDArray

from limbeck_common.core.arrays.tensors import Tensor
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.messages import Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.methods.registry import make_method
from limbeck_common.methods.server_round import open_sample
from limbeck_common.wire.calls import OPTIONS
from limbeck_common.wire.codec import encode_uplink
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import chunks, message_bytes
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.federation_pb2_grpc import FederationStub, add_FederationServicer_to_server
from limbeck_common.wire.v1.operator_pb2_grpc import add_OperatorServicer_to_server
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.presence import Presence
from limbeck_server.rpc.authentication import Authentication
from limbeck_server.rpc.federation_service import FederationService, Traffic
from limbeck_server.rpc.operator_service import OperatorService
from limbeck_server.rpc.registration import Registrar
from limbeck_server.rpc.server import bind, new_server
from limbeck_server.settings import LimitSettings
from limbeck_server.storage.sqlite import SqliteStore
from support.federations import OPEN, SPEC, assembled


@dataclass
class Served:
    """What a test talks to."""

    stub: Any
    coordinator: Coordinator
    store: SqliteStore
    address: str = ""

    @property
    def federation_id(self) -> str:
        return self.coordinator.state.federation_id

    async def join(self, client: str, **fields: Any) -> pb.JoinResponse:
        given = {
            "protocol_version": 1,
            "client_name": client,
            "open_digest": open_digest(OPEN),
            "output_width": 3,
        } | fields
        answer: pb.JoinResponse = await self.stub.Join(pb.JoinRequest(**given))
        return answer

    async def pull(self, client: str, after: int = 0, wait: float = 5.0, learned: int = 0) -> list[pb.PullResponse]:
        request = pb.PullRequest(
            federation_id=self.federation_id,
            client_name=client,
            after_round=after,
            learned_round=learned,
            wait_seconds=wait,
        )
        return [message async for message in self.stub.Pull(request)]

    async def push(self, messages: Iterator[pb.PushRequest]) -> pb.PushResponse:
        answer: pb.PushResponse = await self.stub.Push(messages)
        return answer

    def uplink(
        self, client: str, values: Tensor | None = None, rows: NDArray[Any] | None = None, **fields: Any
    ) -> Uplink:
        """Return a valid uplink for round 1, but for what the arguments change."""
        spec = self.coordinator.aggregation.spec
        wanted = open_sample(spec, 1, make_method(spec.method).model_dump()["open_per_round"])
        keys = wanted if rows is None else Rows(rows)
        block = soft_labels(keys, np.full((len(keys), 3), 1 / 3, np.float32) if values is None else values)
        parts = {"labels": block}
        given = {"federation_id": self.federation_id, "round": 1, "parts": parts, "digest": parts_digest(parts)}
        return Uplink(client=client, **(given | fields))


def push_messages(uplink: Uplink) -> list[pb.PushRequest]:
    head, tensors = encode_uplink(uplink)
    parts = list(chunks(tensors)) or [b""]
    return [pb.PushRequest(head=head, chunk=parts[0]), *(pb.PushRequest(chunk=part) for part in parts[1:])]


def reason(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """Return a refusal's gRPC status and ErrorInfo reason."""
    status = from_call(error)  # type: ignore[arg-type]
    assert status is not None, error
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.metadata["wrong"]
    return error.code().name, info.reason


@asynccontextmanager
async def served(
    folder: Path,
    spec: Spec = SPEC,
    limits: LimitSettings | None = None,
    tls: TlsFolder | None = None,
    federation_id: str = "test",
) -> AsyncIterator[Served]:
    """Serve a federation of two clients on a free loopback port; with `tls`, under mTLS, to whoever dials with it."""
    store = SqliteStore(folder / "store")
    limits = limits or LimitSettings()
    parts = {"presence": Presence(30), "payload_bytes": limits.payload_bytes, "federation_id": federation_id}
    registry = tls.registry() if tls else None
    authentication, traffic = Authentication(registry, limits.calls_per_client), Traffic()
    server = new_server(message_bytes(spec.open_rows), limits.connections)
    async with assembled(store, spec, **parts) as federation:
        service = FederationService(federation, limits, traffic, authentication)
        add_FederationServicer_to_server(service, Registrar(server))
        add_OperatorServicer_to_server(OperatorService(federation, traffic, authentication), Registrar(server))
        address = f"127.0.0.1:{bind(server, '127.0.0.1:0', tls)}"
        await server.start()
        try:
            async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
                yield Served(FederationStub(channel), federation.coordinator, store, address)
        finally:
            await server.stop(None)
    store.close()
    if registry is not None:
        registry.close()
