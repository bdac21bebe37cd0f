"""The authority alone: what its certificates say, and what it does not sign."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from limbeck_common.core.errors import SettingsError, StreamError
from limbeck_common.security.certificates import (
    days_left,
    fingerprint,
    new_key,
    read_identity,
    read_key,
    signing_request,
)
from limbeck_server.pki.authority import KeyPair, hosts_of, issue_server, make_ca, sign_request
from limbeck_server.pki.folder import TlsFolder

CA = make_ca()
DAY = timedelta(days=1)


def signed_by(certificate: bytes, ca: KeyPair) -> None:
    x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(
        x509.load_pem_x509_certificate(ca.certificate)
    )


def test_a_signed_request_has_the_name_and_role_of_its_token_and_the_key_of_its_maker() -> None:
    key = new_key()
    certificate = sign_request(CA, signing_request(key, "somebody-else"), "edge-1", "client")
    signed_by(certificate, CA)
    parsed = x509.load_pem_x509_certificate(certificate)
    assert parsed.public_key() == read_key(key).public_key()
    assert parsed.subject.rfc4514_string() == "CN=edge-1"
    whose = read_identity(certificate)
    assert whose is not None
    assert (whose.name, whose.role) == ("edge-1", "client")
    assert not parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_server_certificate_is_for_its_hosts_and_for_nobody_as_a_caller() -> None:
    server = issue_server(CA, ["federation.example.org", "127.0.0.1", "::1", "127.0.0.1"])
    signed_by(server.certificate, CA)
    assert hosts_of(server.certificate) == ["federation.example.org", "127.0.0.1", "::1"]
    assert read_identity(server.certificate) is None


@pytest.mark.parametrize("request_", [b"", b"no request", signing_request(new_key(), "a")[:-3]])
def test_a_malformed_request_is_refused(request_: bytes) -> None:
    with pytest.raises(StreamError):
        sign_request(CA, request_, "a", "client")


def test_a_request_that_its_key_did_not_sign_is_refused() -> None:
    request = signing_request(new_key(), "a")
    with pytest.raises(StreamError):
        sign_request(CA, request.replace(b"\x0c\x01a", b"\x0c\x01b"), "a", "client")


def test_a_key_of_another_kind_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(StreamError, match="the key is of another kind"):
        sign_request(CA, signing_request(key, "a"), "a", "client")


@pytest.mark.parametrize(("days", "warned"), [(365, None), (15, None), (13, 12), (-1, -2)])
def test_a_certificate_is_warned_of_in_its_last_fourteen_days(days: int, warned: int | None) -> None:
    certificate = sign_request(CA, signing_request(new_key(), "a"), "a", "client", days * DAY)
    assert days_left(certificate) == warned


def test_a_folder_keeps_its_keys_to_itself_and_rotates_under_the_same_authority(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path / "tls")
    assert not folder.initialised
    folder.init(["server"], ["this-machine"])
    assert folder.initialised
    for path in folder.path.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    before, authority = folder.server(), fingerprint(folder.ca().certificate)
    assert hosts_of(before.certificate)[0] == "server"
    folder.rotate()
    after = folder.server()
    assert after != before
    assert hosts_of(after.certificate) == hosts_of(before.certificate)
    assert fingerprint(folder.ca().certificate) == authority
    signed_by(after.certificate, folder.ca())
    assert folder.rotate(["other"])[0] == "other"
    assert folder.new_token("a", "client", 60).address == "other:50052"


def test_a_host_that_the_certificate_lacks_is_named_with_the_way_to_add_it(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path / "tls")
    folder.init(["server.example", "2001:db8::1"], ["this-machine"])
    folder.check_hosts([])
    folder.check_hosts(["2001:db8::1", "Server.Example", "127.0.0.1"])
    with pytest.raises(SettingsError, match=r"its server certificate is not for other\.example; expected") as caught:
        folder.check_hosts(["server.example", "other.example"])
    assert caught.value.remedy == (
        "for a new one run `limbeck-server rotate"
        " --host server.example --host 2001:db8::1 --host this-machine --host other.example`"
    )


def test_certificates_about_to_expire_are_named(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path)
    folder.init(["server"])
    assert folder.expiring() == []
    soon = issue_server(folder.ca(), ["server"], 3 * DAY)
    (tmp_path / "server.pem").write_bytes(soon.key + soon.certificate)
    assert folder.expiring() == [("server.pem", 2)]


def test_a_file_that_is_not_a_certificate_is_named(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path)
    folder.init(["server"])
    (tmp_path / "server.pem").write_bytes(b"not PEM")
    with pytest.raises(SettingsError, match=r"server\.pem is not a certificate: .*; expected .*rotate"):
        folder.expiring()


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no certificate authority in .*limbeck-server init"):
        TlsFolder(tmp_path).new_token("a", "client", 60)
