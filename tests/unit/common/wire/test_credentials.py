"""The dialling side: which credentials, and where none will do."""

from datetime import timedelta
from pathlib import Path

import pytest

from limbeck_common.core.errors import SettingsError
from limbeck_common.security.certificates import new_key, signing_request
from limbeck_common.wire.credentials import choose_credentials, find_credentials, is_loopback
from limbeck_server.pki.authority import make_ca, sign_request


def write(folder: Path, name: str = "a", days: float = 365) -> None:
    ca, key = make_ca(), new_key()
    (folder / "ca.pem").write_bytes(ca.certificate)
    (folder / "key.pem").write_bytes(key)
    certificate = sign_request(ca, signing_request(key, name), name, "client", timedelta(days=days))
    (folder / "certificate.pem").write_bytes(certificate)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "unix", ""])  # noqa: S104
def test_everything_else_is_a_network(host: str) -> None:
    assert not is_loopback(host)


def test_plain_text_goes_to_loopback_alone_unless_asked_for(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    assert choose_credentials(nowhere, "127.0.0.1:1", insecure=False) is None
    assert choose_credentials(nowhere, "[::1]:1", insecure=False) is None
    assert choose_credentials(nowhere, "example.org:1", insecure=True) is None
    with pytest.raises(SettingsError, match=r"no credentials in .* for example.org:1"):
        choose_credentials(nowhere, "example.org:1", insecure=False)


def test_credentials_are_used_wherever_they_are(tmp_path: Path) -> None:
    write(tmp_path)
    assert choose_credentials(tmp_path, "127.0.0.1:1", insecure=False, name="a") is not None
    with pytest.raises(SettingsError, match="are those of a; expected b's"):
        choose_credentials(tmp_path, "127.0.0.1:1", insecure=False, name="b")


def test_an_expiring_certificate_is_warned_of_and_an_expired_one_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, days=3)
    assert find_credentials(tmp_path) is not None
    assert "the certificate expires soon" in capsys.readouterr().out
    write(tmp_path, days=-1)
    with pytest.raises(SettingsError, match="the certificate has expired"):
        find_credentials(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "rubbish"])
def test_half_a_folder_is_named(tmp_path: Path, damage: str) -> None:
    write(tmp_path)
    path = tmp_path / "certificate.pem"
    path.unlink() if damage == "missing" else path.write_text("rubbish")
    with pytest.raises(SettingsError, match=r"credentials in .*enrol again"):
        find_credentials(tmp_path)
