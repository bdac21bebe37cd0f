"""Who may say what, under mTLS: every refusal with its status and reason, over the network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.live_server import Served, push_messages, reason, served

from limbeck_client.enrolment import enroll
from limbeck_common.core.errors import TokenError, UnreachableError
from limbeck_common.security.certificates import new_key, signing_request
from limbeck_common.wire.credentials import Credentials, find_credentials, open_channel
from limbeck_common.wire.v1 import enrolment_pb2, operator_pb2
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_common.wire.v1.enrolment_pb2_grpc import EnrolmentStub
from limbeck_common.wire.v1.federation_pb2_grpc import FederationStub
from limbeck_common.wire.v1.operator_pb2_grpc import OperatorStub
from limbeck_server.pki.authority import sign_request
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.rpc.server import serve_enrolment
from limbeck_server.settings import Settings

REVOKED = ("UNAUTHENTICATED", "CERTIFICATE_REFUSED")
WRONG_ROLE = ("PERMISSION_DENIED", "WRONG_ROLE")
WRONG_IDENTITY = ("PERMISSION_DENIED", "WRONG_IDENTITY")
TOKEN_REFUSED = ("UNAUTHENTICATED", "TOKEN_REFUSED")


@pytest.fixture
def tls(tmp_path: Path) -> TlsFolder:
    folder = TlsFolder(tmp_path / "tls")
    folder.init(["127.0.0.1"])
    return folder


def credentials(tls: TlsFolder, name: str, role: str = "client", days: float = 365) -> Credentials:
    key = new_key()
    certificate = sign_request(tls.ca(), signing_request(key, name), name, role, timedelta(days=days))
    with tls.registry() as registry:
        registry.enter(certificate)
    return Credentials(tls.ca().certificate, certificate, key)


@asynccontextmanager
async def dialled(server: Served, shown: Credentials | None) -> AsyncIterator[Served]:
    """The served federation, as the holder of these credentials sees it."""
    async with open_channel(server.address, shown) as channel:
        yield replace(server, stub=FederationStub(channel))


@asynccontextmanager
async def enrolment(tls: TlsFolder) -> AsyncIterator[str]:
    with tls.registry() as registry:
        server = await serve_enrolment(Settings.model_validate({"listen": {"port": 0}}), tls, registry, 0)
        try:
            yield f"127.0.0.1:{registry.note('enrol_port')}"
        finally:
            await server.stop(None)


async def dialled_join(server: Served, shown: Credentials) -> None:
    async with dialled(server, shown) as client:
        await client.join("b")


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason(caught.value)


def calls(server: Served, name: str) -> list[Callable[[], Awaitable[Any]]]:
    """Every call of a client, made under a name."""

    async def open_data() -> list[Any]:
        return [part async for part in server.stub.OpenData(pb.OpenDataRequest(federation_id=server.federation_id))]

    return [
        lambda: server.join(name),
        lambda: server.pull(name, wait=0.1),
        lambda: server.push(iter(push_messages(server.uplink(name)))),
        open_data,
    ]


def operator_calls(channel: grpc.aio.Channel) -> list[Callable[[], Awaitable[Any]]]:
    stub: Any = OperatorStub(channel)

    async def watch() -> Any:
        return await anext(aiter(stub.Watch(operator_pb2.WatchRequest())))

    return [
        lambda: stub.Status(operator_pb2.StatusRequest()),
        watch,
        lambda: stub.Pause(operator_pb2.PauseRequest()),
        lambda: stub.Resume(operator_pb2.ResumeRequest()),
        lambda: stub.Evict(operator_pb2.EvictRequest(client_name="a")),
        lambda: stub.Stop(operator_pb2.StopRequest()),
    ]


def test_a_client_acts_under_its_certificates_name_alone(tmp_path: Path, tls: TlsFolder) -> None:
    async def scene() -> None:
        async with (
            served(tmp_path, tls=tls) as server,
            dialled(server, credentials(tls, "a")) as a,
            dialled(server, credentials(tls, "b")) as b,
        ):
            await asyncio.gather(a.join("a"), b.join("b"))
            assert (await a.pull("a"))[0].HasField("head")
            for call in calls(a, "b")[:3]:
                assert await refused(call()) == WRONG_IDENTITY
            assert not server.coordinator.state.delivered
            await a.push(iter(push_messages(a.uplink("a"))))
            assert list(server.coordinator.state.delivered) == ["a"]

    asyncio.run(scene())


def test_a_recorded_push_works_for_nobody_else_and_in_no_later_federation(tmp_path: Path, tls: TlsFolder) -> None:
    async def scene() -> None:
        mine = credentials(tls, "a")
        async with served(tmp_path / "old", tls=tls, federation_id="old") as old, dialled(old, mine) as a:
            await asyncio.gather(a.join("a"), dialled_join(old, credentials(tls, "b")))
            recorded = push_messages(a.uplink("a"))
            await a.push(iter(recorded))
        async with (
            served(tmp_path / "new", tls=tls, federation_id="new") as new,
            dialled(new, mine) as a,
            dialled(new, credentials(tls, "b")) as b,
        ):
            await asyncio.gather(a.join("a"), b.join("b"))
            assert await refused(a.push(iter(recorded))) == ("FAILED_PRECONDITION", "WRONG_FEDERATION")
            recorded[0].head.federation_id = "new"
            assert await refused(b.push(iter(recorded))) == WRONG_IDENTITY
            assert not new.coordinator.state.delivered

    asyncio.run(scene())


def test_a_revoked_certificate_is_refused_from_the_next_call_on(tmp_path: Path, tls: TlsFolder) -> None:
    async def scene() -> None:
        async with served(tmp_path, tls=tls) as server, dialled(server, credentials(tls, "a")) as a:
            await a.join("a")
            waiting = asyncio.create_task(a.pull("a", wait=1.0))  # open while the revocation comes
            await asyncio.sleep(0.2)
            with tls.registry() as beside:
                beside.revoke("a")
            for call in calls(a, "a"):
                assert await refused(call()) == REVOKED
            assert await refused(waiting) == REVOKED
            async with dialled(server, credentials(tls, "a")) as renewed:
                await renewed.join("a")

    asyncio.run(scene())


def test_a_client_may_not_act_as_operator_nor_an_operator_as_client(tmp_path: Path, tls: TlsFolder) -> None:
    async def scene() -> None:
        operator = find_credentials(tls.path / "operator")
        async with served(tmp_path, tls=tls) as server:
            async with open_channel(server.address, credentials(tls, "a")) as channel:
                for call in operator_calls(channel):
                    assert await refused(call()) == WRONG_ROLE
            async with dialled(server, operator) as posing:
                for call in calls(posing, "operator"):
                    assert await refused(call()) == WRONG_ROLE
            assert not server.coordinator.state.members
            async with open_channel(server.address, operator) as channel:
                for call in operator_calls(channel)[:4]:
                    await call()
                with tls.registry() as beside:
                    beside.revoke("operator")
                for call in operator_calls(channel):
                    assert await refused(call()) == REVOKED

    asyncio.run(scene())


def test_a_certificate_that_expires_on_an_open_connection_is_refused(tmp_path: Path, tls: TlsFolder) -> None:
    async def scene() -> None:
        shown = credentials(tls, "a", days=2.0 / 86_400)
        async with served(tmp_path, tls=tls) as server, dialled(server, shown) as a:
            await a.join("a")
            await asyncio.sleep(3.1)  # certificates count whole seconds
            assert await refused(a.join("a")) == REVOKED

    asyncio.run(scene())


def test_callers_of_another_authority_do_not_get_past_the_handshake(tmp_path: Path, tls: TlsFolder) -> None:
    other = TlsFolder(tmp_path / "other")
    other.init(["127.0.0.1"])
    foreign = replace(credentials(other, "a"), ca=tls.ca().certificate)
    unlisted = credentials(other, "a")
    expired = credentials(tls, "a", days=-1)

    async def scene() -> None:
        async with served(tmp_path, tls=tls) as server:
            for shown in (None, foreign, unlisted, expired):
                async with dialled(server, shown) as caller:
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await caller.join("a")
                    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(scene())


def test_a_certificate_that_the_registry_does_not_know_is_refused(tmp_path: Path, tls: TlsFolder) -> None:
    key = new_key()
    unknown = Credentials(tls.ca().certificate, sign_request(tls.ca(), signing_request(key, "a"), "a", "client"), key)

    async def scene() -> None:
        async with served(tmp_path, tls=tls) as server, dialled(server, unknown) as a:
            assert await refused(a.join("a")) == REVOKED

    asyncio.run(scene())


def test_enrolment_gives_credentials_once(tmp_path: Path, tls: TlsFolder) -> None:
    async def scene() -> None:
        async with enrolment(tls) as address, served(tmp_path, tls=tls) as server:
            token = tls.new_token("edge-1", "client", 60)
            assert token.address == address
            await enroll(token, tmp_path / "mine")
            async with dialled(server, find_credentials(tmp_path / "mine")) as client:
                await client.join("edge-1")
            with pytest.raises(TokenError, match="was used before"):
                await enroll(token, tmp_path / "thief")
            assert not (tmp_path / "thief" / "certificate.pem").exists()

    asyncio.run(scene())


def test_every_bad_token_is_refused_with_one_status(tls: TlsFolder) -> None:
    async def scene() -> None:
        async with enrolment(tls) as address:
            channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(tls.ca().certificate))
            async with channel:
                stub: Any = EnrolmentStub(channel)

                async def ask(number: str, secret: str, request: bytes | None = None) -> Any:
                    asked = signing_request(new_key(), "a") if request is None else request
                    message = enrolment_pb2.EnrolRequest(token_id=number, secret=secret, signing_request=asked)
                    return await stub.Enrol(message)

                good = tls.new_token("a", "client", 60)
                assert await refused(ask(good.id, "guessed")) == TOKEN_REFUSED
                assert await refused(ask("none", good.secret)) == TOKEN_REFUSED
                assert await refused(ask(good.id, good.secret, b"?")) == ("INVALID_ARGUMENT", "BAD_STREAM")
                await ask(good.id, good.secret)  # none of it used the token up
                assert await refused(ask(good.id, good.secret)) == TOKEN_REFUSED
                late = tls.new_token("a", "client", 0)
                assert await refused(ask(late.id, late.secret)) == TOKEN_REFUSED
                cancelled = tls.new_token("gone", "client", 60)
                with tls.registry() as beside:
                    beside.revoke("gone")
                assert await refused(ask(cancelled.id, cancelled.secret)) == TOKEN_REFUSED

    asyncio.run(scene())


def test_the_secret_does_not_go_to_a_server_of_another_authority(tmp_path: Path, tls: TlsFolder) -> None:
    other = TlsFolder(tmp_path / "other")
    other.init(["127.0.0.1"])

    async def scene() -> None:
        async with enrolment(other) as address:
            with pytest.raises(UnreachableError):
                await enroll(tls.new_token("a", "client", 60, address), tmp_path / "mine")

    asyncio.run(scene())
