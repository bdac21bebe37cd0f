"""Enrolment: a token is exchanged for credentials. The private key is made here and stays here."""

from pathlib import Path

import grpc

from limbeck_client.backoff import persist
from limbeck_common.core.errors import SettingsError, TokenError
from limbeck_common.security.certificates import new_key, signing_request
from limbeck_common.security.tokens import Token
from limbeck_common.support.disk import put
from limbeck_common.wire.calls import OPTIONS, translating
from limbeck_common.wire.v1 import enrolment_pb2 as pb
from limbeck_common.wire.v1.enrolment_pb2_grpc import EnrolmentStub

_SECONDS = 30.0
_PENDING = "pending-key.pem"


async def enroll(token: Token, folder: Path) -> None:
    """Exchange a token for credentials in `folder`: key.pem, certificate.pem and ca.pem.

    The secret goes only to a server whose certificate was issued by the token's own CA. The key is on the disk before
    anything is sent: if the answer is lost, the same token with the same key may ask again.

    Raises:
        TokenError: the token was used before, has expired or is unknown.
        UnreachableError: nobody answers at the token's address, or a server of another CA.
        SettingsError: the folder cannot be written.
    """
    try:
        key = _pending_key(folder)
        try:
            certificate = await _ask(token, signing_request(key, token.name))
        except TokenError:  # no answer to this key will ever come
            (folder / _PENDING).unlink()
            raise
        _keep(folder, token.ca, certificate)
    except OSError as error:
        raise SettingsError(f"cannot keep credentials in {folder}: {error.strerror}") from error


async def enroll_patiently(token: Token, folder: Path, patience: float) -> None:
    """Enrol as `enroll` does, and try again while nobody answers, for `patience` seconds."""
    await persist(lambda: enroll(token, folder), token.name, patience)


def _pending_key(folder: Path) -> bytes:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / _PENDING).exists():
        put(folder / _PENDING, new_key(), secret=True)
    return (folder / _PENDING).read_bytes()


def _keep(folder: Path, ca: bytes, certificate: bytes) -> None:
    put(folder / "ca.pem", ca, secret=True)
    put(folder / "certificate.pem", certificate, secret=True)
    (folder / _PENDING).replace(folder / "key.pem")  # last: until then the same token may be used again


async def _ask(token: Token, request: bytes) -> bytes:
    tls = grpc.ssl_channel_credentials(token.ca)
    with translating(token.address):
        async with grpc.aio.secure_channel(token.address, tls, options=OPTIONS) as channel:
            message = pb.EnrolRequest(token_id=token.id, secret=token.secret, signing_request=request)
            answer = await EnrolmentStub(channel).Enrol(message, timeout=_SECONDS)
    return bytes(answer.certificate)
