"""The federation's certificate authority: makes and signs certificates, EC P-256, as PEM bytes."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from limbeck_common.core.errors import StreamError
from limbeck_common.security.certificates import SCHEME, new_key, read_key

_CA_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=365)  # of every other certificate
_SKEW = timedelta(minutes=5)  # by which another machine's clock may lag


@dataclass(frozen=True, repr=False)
class KeyPair:
    """A private key and its certificate, both PEM."""

    key: bytes
    certificate: bytes


def make_ca(name: str = "limbeck federation") -> KeyPair:
    """Return a new authority, whose certificate is signed by itself.

    >>> ca = make_ca()
    >>> hosts_of(issue_server(ca, ["federation.example.org", "127.0.0.1"]).certificate)
    ['federation.example.org', '127.0.0.1']
    """
    pem = new_key()
    key = read_key(pem)
    uses = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(_name(name), key.public_key(), _CA_LIFETIME)
        .issuer_name(_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(uses, critical=True)
    )
    return KeyPair(pem, _pem(builder.sign(key, hashes.SHA256())))


def issue_server(ca: KeyPair, hosts: Iterable[str], lifetime: timedelta = LIFETIME) -> KeyPair:
    """Return a new key and certificate for a server with these host names and addresses."""
    names = [_general_name(host) for host in dict.fromkeys(hosts)]
    pem = new_key()
    builder = _builder(_name("limbeck-server"), read_key(pem).public_key(), lifetime)
    return KeyPair(pem, _sign(ca, builder, names, ExtendedKeyUsageOID.SERVER_AUTH))


def sign_request(ca: KeyPair, request: bytes, name: str, role: str, lifetime: timedelta = LIFETIME) -> bytes:
    """Return a certificate for the key of a signing request (PKCS #10, DER); all else in the request is ignored.

    Raises:
        StreamError: the request is malformed, its key is not on P-256, or its signature is not that key's.
    """
    key = public_key(request)
    builder = _builder(_name(name), key, lifetime)
    return _sign(
        ca, builder, [x509.UniformResourceIdentifier(f"{SCHEME}{role}/{name}")], ExtendedKeyUsageOID.CLIENT_AUTH
    )


def public_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key of a signing request, whose signature proves that its sender holds the private key.

    Raises:
        StreamError: as `sign_request`.
    """
    try:
        parsed = x509.load_der_x509_csr(request)
        key = parsed.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise TypeError("the key is of another kind")
        if not parsed.is_signature_valid:
            raise ValueError("the signature is not the key's")
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise StreamError(f"the signing request: {error}", expected="PKCS #10 in DER, for a key on P-256") from error
    return key


def hosts_of(certificate: bytes) -> list[str]:
    """Return the host names and addresses that a server's certificate is for, in its order."""
    parsed = x509.load_pem_x509_certificate(certificate)
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + lifetime) - _SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _sign(
    ca: KeyPair, builder: x509.CertificateBuilder, names: list[x509.GeneralName], use: x509.ObjectIdentifier
) -> bytes:
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    key = read_key(ca.key)
    builder = (
        builder.issuer_name(issuer.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return _pem(builder.sign(key, hashes.SHA256()))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
