"""The dialling side of TLS: a participant's three files, and a channel that uses them."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from limbeck_common.core.errors import SettingsError
from limbeck_common.security.certificates import days_left, read_identity
from limbeck_common.wire.calls import OPTIONS

_FILES = ("ca.pem", "certificate.pem", "key.pem")
_log = structlog.get_logger()


@dataclass(frozen=True, repr=False)
class Credentials:
    """A certificate, its private key, and the CA that must have issued the server's certificate; each in PEM."""

    ca: bytes
    certificate: bytes
    key: bytes


def find_credentials(folder: Path) -> Credentials | None:
    """Return the credentials that `limbeck-client enroll` or `limbeck-server init` left in a folder.

    None if the folder does not exist. Warns if the certificate expires soon.

    Raises:
        SettingsError: a file is missing or cannot be read, or the certificate has expired.
    """
    try:
        if not folder.exists():
            return None
        found = Credentials(*((folder / name).read_bytes() for name in _FILES))
        left = days_left(found.certificate)
        if left is not None and left < 0:
            raise ValueError("the certificate has expired")
        if left is not None:
            _log.warning("the certificate expires soon", folder=str(folder), days=left, next="enrol with a new token")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"credentials in {folder}: {error}",
            expected=f"{', '.join(_FILES)}, with a certificate that has not expired",
            remedy="enrol again: limbeck-client enroll TOKEN",
        ) from error
    return found


def choose_credentials(
    folder: Path, address: str, *, insecure: bool, name: str = "", named: bool = False
) -> Credentials | None:
    """Return the credentials to dial `address` with; None for plain text, on loopback or if `insecure` asks for it.

    If `named` says that a person named the folder, it must hold credentials, even on loopback.

    Raises:
        SettingsError: there are no credentials, they cannot be used, or they belong to another client than `name`.
    """
    if insecure:
        _log.warning("insecure: traffic is plain text and the server is not authenticated", server=address)
        return None
    found = find_credentials(folder)
    if found is None and (named or not is_loopback(address.rpartition(":")[0])):
        raise SettingsError(
            f"no credentials in {folder} for {address}",
            expected="a certificate" + ", as plain text is for this machine only" * (not named),
            remedy="enrol with a token, limbeck-client enroll TOKEN; or use --insecure",
        )
    if found is not None and name:
        whose = read_identity(found.certificate)
        if whose is None or whose.name != name:
            raise SettingsError(
                f"the credentials in {folder} are those of {whose.name if whose else 'nobody'}",
                expected=f"{name}'s",
                remedy="use the name that the token was made for, or name another folder with --credentials",
            )
    return found


def open_channel(address: str, credentials: Credentials | None) -> grpc.aio.Channel:
    """Return a channel under mTLS, or in plain text without credentials."""
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    tls = grpc.ssl_channel_credentials(credentials.ca, credentials.key, credentials.certificate)
    return grpc.aio.secure_channel(address, tls, options=OPTIONS)


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine's own, which no network reaches.

    >>> is_loopback("127.0.0.1"), is_loopback("[::1]"), is_loopback("example.org")
    (True, True, False)
    """
    bare = host.strip("[]")
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"
