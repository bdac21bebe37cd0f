"""Enrolment tokens: one-time secrets that a client exchanges for a certificate.

A token is one line, `limbeck1.BASE64URL.BASE64URL`: JSON with name, address, expiry and secret, then the federation's
CA certificate in DER. The client thus knows the CA before it sends anything, and sends the secret to nobody else.
"""

import base64
import json
from dataclasses import asdict, dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from limbeck_common.core.errors import SettingsError

_VERSION = "limbeck1"
_TEXTS = ("id", "secret", "name", "role", "address")


@dataclass(frozen=True)
class Token:
    """A parsed token. `expires` is in seconds since the Unix epoch, `address` is the enrolment port's, `ca` is PEM."""

    id: str
    secret: str
    name: str
    role: str
    expires: int
    address: str
    ca: bytes

    def __str__(self) -> str:
        fields = {name: value for name, value in asdict(self).items() if name != "ca"}
        der = x509.load_pem_x509_certificate(self.ca).public_bytes(Encoding.DER)
        return ".".join([_VERSION, _encode(json.dumps(fields, separators=(",", ":")).encode()), _encode(der)])

    def __repr__(self) -> str:
        return f"Token({self.id}, {self.role} {self.name})"  # the secret stays out of logs


def read_token(line: str) -> Token:
    """Return the token that a line holds.

    Raises:
        SettingsError: the line is not a token, or only a part of one.
    """
    try:
        version, fields, der = line.strip().split(".")
        if version != _VERSION:
            raise ValueError(version)
        said = json.loads(_decode(fields))
        ca = x509.load_der_x509_certificate(_decode(der)).public_bytes(Encoding.PEM)
        texts = {name: str(said[name]) for name in _TEXTS}
        return Token(ca=ca, expires=int(said["expires"]), **texts)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SettingsError(
            "that is not an enrolment token, or only a part of one",
            expected=f"the whole line that `limbeck-server token create` printed, {_VERSION}.…",
        ) from error


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
