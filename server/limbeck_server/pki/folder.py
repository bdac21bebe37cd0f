"""The folder of the federation's authority: made by `init`, served from by the daemon, changed by the other commands.

ca.pem, ca-key.pem    the authority; whoever has its key can be anyone
server.pem            the server's key and certificate, in one file, so that they change together
operator/             credentials for this machine's operator
registry.sqlite       tokens and certificates given out, and which are revoked
"""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from limbeck_common.core.errors import SettingsError
from limbeck_common.security.certificates import days_left, new_key, signing_request
from limbeck_common.security.tokens import Token
from limbeck_common.support.address import with_port
from limbeck_common.support.disk import put, writing
from limbeck_server.pki.authority import KeyPair, hosts_of, issue_server, make_ca, sign_request
from limbeck_server.pki.registry import Registry

ENROL_PORT = 50052
OPERATOR = "operator"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class TlsFolder:
    """An authority on disk. Files are replaced as wholes; keys can be read by their owner alone."""

    path: Path

    @property
    def initialised(self) -> bool:
        """Whether `init` has done its work here."""
        return (self.path / "server.pem").exists()

    def init(self, hosts: Sequence[str], names: Sequence[str] = ()) -> None:
        """Make the authority, the server's certificate for `hosts`, `names` and loopback, and the operator's."""
        with writing(self.path, "--tls"):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            ca = make_ca()
            self._write("ca-key.pem", ca.key)
            self._write("ca.pem", ca.certificate)
            self._make_operator(ca)
            self._make_server(ca, [*hosts, *names, *_LOOPBACK])
            self._note_host(hosts)

    def rotate(self, hosts: Sequence[str] = ()) -> list[str]:
        """Make new keys and certificates for the server and the operator, and return the server's host names.

        They are `hosts` and loopback; without `hosts`, those of the certificate before.
        """
        ca = self.ca()
        wanted = [*hosts, *_LOOPBACK] if hosts else hosts_of(self.server().certificate)
        with writing(self.path, "--tls"):
            self._make_operator(ca)
            self._make_server(ca, wanted)
            self._note_host(hosts)
        return list(dict.fromkeys(wanted))

    def ca(self) -> KeyPair:
        """Return the authority. Raises SettingsError where there is none."""
        return KeyPair(self._read("ca-key.pem"), self._read("ca.pem"))

    def server(self) -> KeyPair:
        """Return the server's key and certificate. Raises SettingsError where there are none."""
        both = self._read("server.pem")
        return KeyPair(both, both)  # OpenSSL and gRPC take from a PEM file the part that they look for

    def registry(self) -> Registry:
        """Open the registry. Raises SettingsError where `init` has not been, or it cannot be used."""
        self._read("server.pem")
        return self._registry()

    def new_token(self, name: str, role: str, seconds: float, address: str | None = None) -> Token:
        """Make an enrolment token, good for `seconds`; `address` is the enrolment port's, as its user will dial it."""
        expires = int(time.time() + seconds)
        with self.registry() as registry:
            if address is None:
                port = registry.note("enrol_port") or ENROL_PORT
                address = with_port(registry.note("host") or "127.0.0.1", int(port))
            number, secret = registry.new_token(name, role, expires)
        return Token(number, secret, name, role, expires, address, self._read("ca.pem"))

    def expiring(self) -> list[tuple[str, int]]:
        """Return the certificates to warn of, each with the days that it has left."""
        files = ("ca.pem", "server.pem", f"{OPERATOR}/certificate.pem")
        found = [(name, days_left(self._read(name))) for name in files]
        return [(name, left) for name, left in found if left is not None]

    def _make_operator(self, ca: KeyPair) -> None:
        key = new_key()
        certificate = sign_request(ca, signing_request(key, OPERATOR), OPERATOR, "operator")
        with self._registry() as registry:
            registry.enter(certificate)
        self._write(f"{OPERATOR}/key.pem", key)
        self._write(f"{OPERATOR}/certificate.pem", certificate)
        self._write(f"{OPERATOR}/ca.pem", ca.certificate)

    def _registry(self) -> Registry:
        file = self.path / "registry.sqlite"
        try:
            return Registry(file)
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(
                f"{file} cannot be used: {error}",
                expected="the file that `limbeck-server init` made, which this user can write to",
            ) from error

    def _make_server(self, ca: KeyPair, hosts: Sequence[str]) -> None:
        server = issue_server(ca, hosts)
        self._write("server.pem", server.key + server.certificate)

    def _note_host(self, hosts: Sequence[str]) -> None:
        if hosts:
            with self.registry() as registry:
                registry.note("host", hosts[0])

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise SettingsError(
                f"no certificate authority in {self.path}: {error.strerror}: {name}",
                expected="a folder that `limbeck-server init` made",
                remedy="run it first, or name the folder with --tls",
            ) from error

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        put(path, content, secret=True)
