"""A daemon's services in this process, without a network: two clients under mTLS's certificates, round 1 open."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from support.federations import ID, SPEC, assembled, opened

from limbeck_common.core.blocks import soft_labels
from limbeck_common.core.errors import RefusalError, StreamError, refusals
from limbeck_common.core.messages import Uplink
from limbeck_common.methods.server_round import open_sample
from limbeck_common.security.certificates import new_key, signing_request
from limbeck_common.wire.codec import encode_uplink
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import chunks
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.pki.authority import sign_request
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.presence import Presence
from limbeck_server.rpc.authentication import Authentication
from limbeck_server.rpc.enrolment_service import EnrolmentService
from limbeck_server.rpc.federation_service import FederationService, Traffic
from limbeck_server.rpc.operator_service import OperatorService
from limbeck_server.settings import LimitSettings
from limbeck_server.storage.sqlite import SqliteStore

WANTED = open_sample(SPEC, 1, 8)


class Caller:
    """What a handler sees of a call: who calls, and a way to refuse."""

    def __init__(self, certificate: bytes) -> None:
        self._certificate = certificate
        self.status: Status | None = None

    def peer(self) -> str:
        return "ipv4:192.0.2.1:1"

    async def send_initial_metadata(self, metadata: Any) -> None:
        """What it says is that more may come, and all of it is there already."""

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_pem_cert": [self._certificate]}

    async def abort_with_status(self, status: Any) -> None:
        self.status = Status.FromString(dict(status.trailing_metadata)["grpc-status-details-bin"])
        raise grpc.aio.AbortError(self.status.message)

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise RuntimeError(f"{code.name}: {details}")


def refusal(status: Status) -> RefusalError:
    """Return a status's refusal, once it is known to be one that the protocol has."""
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    kind = refusals()[info.reason]
    assert grpc.StatusCode[kind.status].value[0] == status.code
    assert info.metadata["wrong"]
    assert len(status.SerializeToString()) < 6000  # base64 in trailers, of which 8 KiB arrive
    return kind(info.metadata["wrong"])


def uplink_messages(client: str = "a") -> list[pb.PushRequest]:
    """A valid uplink for round 1, its payload in two chunks."""
    parts = {"labels": soft_labels(WANTED, np.full((8, 3), 1 / 3, np.float32))}
    head, tensors = encode_uplink(Uplink(ID, client, 1, parts, {"loss": 0.5}, parts_digest(parts)))
    (payload,) = chunks(tensors)
    return [pb.PushRequest(head=head, chunk=payload[:40]), pb.PushRequest(chunk=payload[40:])]


class Services:
    """The services. `renew` sets the federation up anew: joined, round 1 open, nothing delivered."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="limbeck-fuzz-"))
        self.loop = asyncio.new_event_loop()
        self.tls = TlsFolder(self._folder / "tls")
        self.tls.init(["127.0.0.1"])
        self.registry = self.tls.registry()
        self.client = self._certificate("a", "client")
        self.operator = self._certificate("operator", "operator")
        self.enrolment = EnrolmentService(self.tls.ca(), self.registry)
        self._open()

    def renew(self) -> None:
        self._leave()
        self._open()

    def close(self) -> None:
        self._leave()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.registry.close()
        shutil.rmtree(self._folder)

    def call(self, awaitable: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(awaitable, 10))

    def ask(self, call: Any, request: Any, certificate: bytes | None = None, most: int | None = None) -> Any:
        """Make a call. Returns its answer, or a list of a stream's, the `most` first of them; raises its refusal."""
        caller = Caller(certificate or self.client)

        async def answers() -> Any:
            made = call(request, caller)
            if not hasattr(made, "__aiter__"):
                return await made
            found = []
            async with contextlib.aclosing(made):
                while most is None or len(found) < most:
                    try:
                        found.append(await anext(made))
                    except StopAsyncIteration:
                        break
            return found

        try:
            return self.call(answers())
        except grpc.aio.AbortError:
            assert caller.status is not None
            raise refusal(caller.status) from None

    def _certificate(self, name: str, role: str) -> bytes:
        certificate = sign_request(self.tls.ca(), signing_request(new_key(), name), name, role)
        self.registry.enter(certificate)
        return certificate

    def _open(self) -> None:
        self.store = SqliteStore(self._folder / "store", flushes=False)
        self._running = contextlib.AsyncExitStack()
        self.loop.run_until_complete(self._start())

    async def _start(self) -> None:
        machine = Machine(SPEC.rounds, SPEC.seed, Bounds(2, 2, 0, 600), Bounds(2, 2, 0, 600))
        federation = await self._running.enter_async_context(
            assembled(self.store, machine=machine, presence=Presence(600))
        )
        self.coordinator = federation.coordinator
        await opened(federation)
        assert self.coordinator.state.participants == {"a", "b"}
        authentication, traffic = Authentication(self.registry), Traffic()
        limits = LimitSettings(pull_seconds=0.01)
        self.federation = FederationService(federation, limits, traffic, authentication)
        self.operating = OperatorService(federation, traffic, authentication)

    def _leave(self) -> None:
        self.loop.run_until_complete(self._running.aclose())
        self.store.close()
        shutil.rmtree(self._folder / "store")


def parse(kind: Any, data: bytes) -> Any:
    """Return a message. Raises StreamError, as the server's interceptor has it, for what is none."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise StreamError("no message") from error


class Stream:
    """Requests of a Push, as the server's interceptor hands them over."""

    def __init__(self, messages: Iterable[bytes]) -> None:
        self._messages = iter(messages)

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> pb.PushRequest:
        for message in self._messages:
            return parse(pb.PushRequest, message)  # type: ignore[no-any-return]
        raise StopAsyncIteration
