"""Tokens: one line, one use, and only a hash of the secret behind."""

from pathlib import Path

import pytest

from limbeck_common.core.errors import SettingsError, TokenError
from limbeck_common.security.certificates import new_key, read_identity, signing_request
from limbeck_common.security.tokens import Token, read_token
from limbeck_server.pki.authority import sign_request
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.pki.registry import Registry


@pytest.fixture
def folder(tmp_path: Path) -> TlsFolder:
    made = TlsFolder(tmp_path / "tls")
    made.init(["127.0.0.1"])
    return made


def redeem(folder: TlsFolder, token: Token, key: bytes = b"key", secret: str | None = None) -> bytes:
    def issue(name: str, role: str) -> bytes:
        return sign_request(folder.ca(), signing_request(new_key(), name), name, role)

    with folder.registry() as registry:
        return registry.redeem(token.id, token.secret if secret is None else secret, key, issue)


def test_a_token_is_one_line_that_reads_back(folder: TlsFolder) -> None:
    token = folder.new_token("edge-1", "client", 60, "server:1234")
    line = str(token)
    assert len(line.split()) == 1
    assert read_token(f"  {line}\n") == token
    assert token.ca == folder.ca().certificate
    assert token.secret not in repr(token)


@pytest.mark.parametrize("cut", [0, 10, 300, -5])
def test_half_a_token_is_refused(folder: TlsFolder, cut: int) -> None:
    with pytest.raises(SettingsError, match="not an enrolment token, or only a part of one"):
        read_token(str(folder.new_token("edge-1", "client", 60))[:cut])


def test_the_secret_is_not_on_the_servers_disk(folder: TlsFolder) -> None:
    token = folder.new_token("edge-1", "client", 60)
    for path in folder.path.rglob("*"):
        assert path.is_dir() or token.secret.encode() not in path.read_bytes()


def test_a_token_works_once_and_again_only_for_the_same_key(folder: TlsFolder) -> None:
    token = folder.new_token("edge-1", "client", 60)
    first = redeem(folder, token)
    whose = read_identity(first)
    assert whose is not None
    assert (whose.name, whose.role) == ("edge-1", "client")
    assert redeem(folder, token) == first
    with pytest.raises(TokenError, match="was used before"):
        redeem(folder, token, b"another key")


def test_expired_unknown_and_cancelled_tokens_are_refused(folder: TlsFolder) -> None:
    with pytest.raises(TokenError, match="has expired"):
        redeem(folder, folder.new_token("edge-1", "client", 0))
    token = folder.new_token("edge-1", "client", 60)
    with pytest.raises(TokenError, match="unknown"):
        redeem(folder, token, secret="guessed")  # noqa: S106 - a wrong one
    with folder.registry() as registry:
        assert registry.revoke("edge-1") == (0, 2)
    with pytest.raises(TokenError, match="was cancelled"):
        redeem(folder, token)


def test_a_token_whose_certificate_could_not_be_made_is_not_used_up(folder: TlsFolder) -> None:
    token = folder.new_token("edge-1", "client", 60)

    def fail(_name: str, _role: str) -> bytes:
        raise OSError("disk full")

    with folder.registry() as registry, pytest.raises(OSError, match="disk full"):
        registry.redeem(token.id, token.secret, b"key", fail)
    redeem(folder, token)


def test_a_revocation_is_seen_by_a_registry_that_is_open(folder: TlsFolder) -> None:
    certificate = redeem(folder, folder.new_token("edge-1", "client", 60))
    again = redeem(folder, folder.new_token("edge-1", "client", 60))
    first, second = read_identity(certificate), read_identity(again)
    assert first is not None
    assert second is not None
    with folder.registry() as daemon:
        assert daemon.holds(first.serial)
        with Registry(folder.path / "registry.sqlite") as beside:
            assert beside.revoke("edge-1") == (2, 0)
        assert not daemon.holds(first.serial)
        assert not daemon.holds(second.serial)
        assert not daemon.holds("ffff")
    renewed = read_identity(redeem(folder, folder.new_token("edge-1", "client", 60)))
    assert renewed is not None
    with folder.registry() as daemon:
        assert daemon.holds(renewed.serial)
