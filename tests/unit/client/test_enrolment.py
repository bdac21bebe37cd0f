"""A token is exchanged once; its key outlives an answer that was lost, and no refusal."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from limbeck_client import enrolment
from limbeck_client.enrolment import enroll, enroll_patiently
from limbeck_common.core.errors import LimbeckError, SettingsError, TokenError, UnreachableError
from limbeck_common.security.certificates import signing_request
from limbeck_common.security.tokens import Token
from limbeck_common.wire.v1 import enrolment_pb2 as pb
from limbeck_common.wire.v1.enrolment_pb2_grpc import EnrolmentServicer, add_EnrolmentServicer_to_server

TOKEN = Token("id", "secret", "edge", "client", 0, "127.0.0.1:9", b"the CA")


class Server:
    """Answers with an error in turn, then with a certificate; `requests` is what it was asked to sign."""

    def __init__(self, *errors: LimbeckError) -> None:
        self.requests: list[bytes] = []
        self._errors = list(errors)

    async def __call__(self, token: Token, request: bytes) -> bytes:
        assert token is TOKEN
        self.requests.append(request)
        if self._errors:
            raise self._errors.pop(0)
        return b"the certificate"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Server]:
    monkeypatch.setattr("limbeck_client.retry.FIRST_PAUSE", 0.001)

    def serve(*errors: LimbeckError) -> Server:
        server = Server(*errors)
        monkeypatch.setattr(enrolment, "_ask", server)
        return server

    return serve


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def public_key(request: bytes) -> bytes:
    key = x509.load_der_x509_csr(request).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_token_is_exchanged_for_credentials_for_their_owner_alone(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    server, folder = serve(), tmp_path / "state" / "credentials"
    asyncio.run(enroll(TOKEN, folder))
    assert names(folder) == ["ca.pem", "certificate.pem", "key.pem"]
    assert (folder / "ca.pem").read_bytes() == b"the CA"
    assert (folder / "certificate.pem").read_bytes() == b"the certificate"
    ours = signing_request((folder / "key.pem").read_bytes(), "edge")
    assert public_key(server.requests[0]) == public_key(ours)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_key_whose_answer_was_lost_asks_again(tmp_path: Path, serve: Callable[..., Server]) -> None:
    server = serve(UnreachableError("the answer was lost"))
    with pytest.raises(UnreachableError):
        asyncio.run(enroll(TOKEN, tmp_path))
    assert names(tmp_path) == ["pending-key.pem"]
    key = (tmp_path / "pending-key.pem").read_bytes()
    asyncio.run(enroll(TOKEN, tmp_path))
    assert (tmp_path / "key.pem").read_bytes() == key
    assert public_key(server.requests[0]) == public_key(server.requests[1])


def test_a_token_that_is_refused_leaves_no_key(tmp_path: Path, serve: Callable[..., Server]) -> None:
    serve()
    asyncio.run(enroll(TOKEN, tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    serve(TokenError("used before"))
    with pytest.raises(TokenError, match="used before"):
        asyncio.run(enroll(TOKEN, tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, serve: Callable[..., Server]) -> None:
    server = serve()
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=f"cannot keep credentials in {tmp_path / 'file' / 'c'}: Not a directory"):
        asyncio.run(enroll(TOKEN, tmp_path / "file" / "c"))
    assert server.requests == []


def test_while_nobody_answers_a_patient_client_asks_again(tmp_path: Path, serve: Callable[..., Server]) -> None:
    server = serve(UnreachableError("away"), UnreachableError("away"))
    asyncio.run(enroll_patiently(TOKEN, tmp_path, 60))
    assert len(server.requests) == 3
    assert "key.pem" in names(tmp_path)
    server = serve(UnreachableError("away"))
    with pytest.raises(UnreachableError):
        asyncio.run(enroll_patiently(TOKEN, tmp_path / "b", 0))
    assert len(server.requests) == 1
    server = serve(TokenError("expired"))
    with pytest.raises(TokenError):
        asyncio.run(enroll_patiently(TOKEN, tmp_path / "b", 60))
    assert len(server.requests) == 1


class Signs(EnrolmentServicer):
    """Signs whatever it is asked to, and records the requests."""

    def __init__(self) -> None:
        self.requests: list[pb.EnrolRequest] = []

    async def Enrol(self, request: pb.EnrolRequest, context: Any) -> pb.EnrolResponse:  # noqa: ARG002, N802 - gRPC's
        self.requests.append(request)
        return pb.EnrolResponse(certificate=b"signed")


def test_the_server_gets_the_token_and_the_request_and_its_certificate_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = Signs()
    monkeypatch.setattr(  # the CA is tests/integration's: what is said is looked at here
        "limbeck_client.enrolment.grpc.aio.secure_channel",
        lambda address, _, options: grpc.aio.insecure_channel(address, options=options),
    )

    async def scene() -> None:
        server = grpc.aio.server()
        add_EnrolmentServicer_to_server(signs, server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        await enroll(replace(TOKEN, address=address), tmp_path)
        await server.stop(None)

    asyncio.run(scene())
    (request,) = signs.requests
    assert (request.token_id, request.secret) == ("id", "secret")
    assert public_key(request.signing_request) == public_key(
        signing_request((tmp_path / "key.pem").read_bytes(), "edge")
    )
    assert (tmp_path / "certificate.pem").read_bytes() == b"signed"
