"""The folder of the federation's certificates: `init` creates it, the daemon reads it, the other commands change it.

ca.pem, ca-key.pem    the certificate authority; whoever has its key can pose as anyone
server.pem            the server's key and certificate, in one file, so that they change together
operator/             the credentials of this machine's operator
registry.sqlite       the tokens and certificates that were issued, and which of them are revoked
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
    """A certificate authority on disk. A file is replaced as a whole, and only its owner can read it."""

    path: Path

    @property
    def initialised(self) -> bool:
        """Whether `init` has finished in this folder."""
        return (self.path / "server.pem").exists()

    def init(self, hosts: Sequence[str], names: Sequence[str] = ()) -> None:
        """Create the authority, the operator's certificate, and the server's for `hosts`, `names` and loopback.

        Tokens name the first of `hosts` as the address to enrol at.

        Raises:
            SettingsError: the folder cannot be written to.
        """
        with writing(self.path, "--tls"):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            ca = make_ca()
            self._write("ca-key.pem", ca.key)
            self._write("ca.pem", ca.certificate)
            self._make_operator(ca)
            self._make_server(ca, [*hosts, *names, *_LOOPBACK])
            self._note_host(hosts)

    def check_hosts(self, hosts: Sequence[str]) -> None:
        """Check that the server's certificate is for all of these host names and addresses.

        Raises:
            SettingsError: it lacks some of them.
        """
        known = hosts_of(self.server().certificate)
        lower = {name.lower() for name in known}
        missing = [host for host in hosts if host.lower() not in lower]
        if missing:
            wanted = [*(name for name in known if name not in _LOOPBACK), *missing]
            raise SettingsError(
                f"{self.path} is initialised already, and its server certificate is not for {', '.join(missing)}",
                expected=f"only names among {', '.join(known)}",
                remedy=f"for a new one run `limbeck-server rotate {' '.join(f'--host {name}' for name in wanted)}`",
            )

    def rotate(self, hosts: Sequence[str] = ()) -> list[str]:
        """Make new keys and certificates for the server and the operator, and return the server's host names.

        They are `hosts` and loopback; without `hosts`, those of the certificate that is replaced.

        Raises:
            SettingsError: the folder is not initialised, or cannot be written to.
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
        """Open the registry. Raises SettingsError where the folder is not initialised, or the file cannot be used."""
        self._read("server.pem")
        return self._registry()

    def new_token(self, name: str, role: str, seconds: float, address: str | None = None) -> Token:
        """Create an enrolment token, valid for `seconds`; `address` is the enrolment port's, as its user will dial it.

        Raises:
            SettingsError: the folder is not initialised.
        """
        expires = int(time.time() + seconds)
        with self.registry() as registry:
            if address is None:
                port = registry.note("enrol_port") or ENROL_PORT
                address = with_port(registry.note("host") or "127.0.0.1", int(port))
            number, secret = registry.new_token(name, role, expires)
        return Token(number, secret, name, role, expires, address, self._read("ca.pem"))

    def expiring(self) -> list[tuple[str, int]]:
        """Return the certificates that expire soon: the file of each, and the whole days left.

        Raises:
            SettingsError: a file is missing, or is not a certificate.
        """
        files = ("ca.pem", "server.pem", f"{OPERATOR}/certificate.pem")
        found = [(name, self._days_left(name)) for name in files]
        return [(name, left) for name, left in found if left is not None]

    def _days_left(self, name: str) -> int | None:
        try:
            return days_left(self._read(name))
        except ValueError as error:
            raise SettingsError(
                f"{self.path / name} is not a certificate: {error}",
                expected="the file that `limbeck-server init` or `rotate` made",
                remedy="restore it from a backup; `limbeck-server rotate --host NAME` can make all but ca.pem again",
            ) from error

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

    @property
    def host(self) -> str:
        """The first host that `init` was given: where clients are to dial. Empty where it was given none."""
        with self.registry() as registry:
            return registry.note("host") or ""

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
                remedy="run it first, or name another folder with --tls",
            ) from error

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        put(path, content, secret=True)
