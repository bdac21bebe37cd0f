"""Private keys, signing requests, and reading certificates: the part of X.509 that both sides need."""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROLES = ("client", "operator")
SCHEME = "limbeck://"
WARN_BEFORE = timedelta(days=14)


@dataclass(frozen=True)
class Identity:
    """The participant that a certificate names. `serial` is in hex; `expires` has a time zone."""

    name: str
    role: str
    serial: str
    expires: datetime


def new_key() -> bytes:
    """Return a new private key: EC P-256, PEM, PKCS #8."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key of a PEM file.

    Raises:
        ValueError: the file does not hold a private key.
        TypeError: the key is not an elliptic-curve key.
    """
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic-curve key")
    return key


def signing_request(key: bytes, name: str) -> bytes:
    """Return a certificate signing request for this key: PKCS #10 in DER."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(read_key(key), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


@functools.lru_cache(maxsize=4096)  # asked on every call
def read_identity(pem: bytes) -> Identity | None:
    """Return the participant that a certificate names in its limbeck:// URI, or None if it has none."""
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        role, _, name = uri.removeprefix(SCHEME).partition("/")
        if uri.startswith(SCHEME) and role in ROLES and name:
            return Identity(name, role, f"{certificate.serial_number:x}", certificate.not_valid_after_utc)
    return None


def fingerprint(pem: bytes) -> str:
    """Return a certificate's SHA-256, in hex."""
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()


def days_left(pem: bytes, now: datetime | None = None) -> int | None:
    """Return the whole days until a certificate expires, negative once it has; None if it is too early to warn."""
    left = x509.load_pem_x509_certificate(pem).not_valid_after_utc - (now or datetime.now(UTC))
    return left.days if left < WARN_BEFORE else None
