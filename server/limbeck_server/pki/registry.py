"""Issued certificates and enrolment tokens, kept in an SQLite file that the daemon and the commands beside it share.

Every change is one transaction, on disk before the call returns. Of a token's secret only the SHA-256 is kept.
"""

import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from limbeck_common.core.errors import TokenError
from limbeck_common.security.certificates import read_identity

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, expires REAL NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0, used_by BLOB, certificate BLOB);
CREATE TABLE IF NOT EXISTS certificates (
    serial TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, revoked REAL);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Registry:
    """An authority's certificates and tokens, in one file. Use it as a context manager, or close it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        path.chmod(0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def new_token(self, name: str, role: str, expires: float) -> tuple[str, str]:
        """Add a token that is valid until `expires`, in Unix seconds, and return its number and its secret."""
        number, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row = (number, _hash(secret), name, role, expires)
        self._db.execute("INSERT INTO tokens (id, hash, name, role, expires) VALUES (?, ?, ?, ?, ?)", row)
        return number, secret

    def redeem(self, number: str, secret: str, key: bytes, issue: Callable[[str, str], bytes]) -> bytes:
        """Exchange a token for a certificate, which issue(name, role) makes for `key`, the digest of a public key.

        A token counts once. The same key again gets the same certificate, as the first answer may have been lost.

        Raises:
            TokenError: the token is unknown, expired, cancelled, or was used for another key.
        """
        with self._transaction():
            row = self._db.execute(
                "SELECT hash, name, role, expires, cancelled, used_by, certificate FROM tokens WHERE id = ?", (number,)
            ).fetchone()
            kept, name, role, expires, cancelled, used_by, certificate = row or (b"", "", "", 0, 0, None, None)
            remedy = "ask the operator for a new one: limbeck-server token create"
            if not hmac.compare_digest(kept, _hash(secret)):
                raise TokenError("an unknown token", expected="a token that this server issued", remedy=remedy)
            if cancelled:
                raise TokenError(f"the token for {name} was cancelled when {name} was revoked", remedy=remedy)
            if certificate is not None and used_by == key:
                return bytes(certificate)
            if used_by is not None:
                raise TokenError(
                    f"the token for {name} was used before",
                    expected="an unused token",
                    remedy=f"{remedy}; if somebody else used it, have {name} revoked",
                )
            if time.time() >= expires:
                raise TokenError(f"the token for {name} has expired", remedy=remedy)
            certificate = issue(name, role)
            self._enter(certificate)
            update = "UPDATE tokens SET used_by = ?, certificate = ? WHERE id = ?"
            self._db.execute(update, (key, certificate, number))
            return certificate

    def enter(self, certificate: bytes) -> None:
        """Add a certificate. The server accepts no others."""
        with self._transaction():
            self._enter(certificate)

    def holds(self, serial: str) -> bool:
        """Return whether a certificate was issued and has not been revoked."""
        row = self._db.execute("SELECT revoked FROM certificates WHERE serial = ?", (serial,)).fetchone()
        return row is not None and row[0] is None

    def revoked_names(self) -> set[str]:
        """Return the clients whose certificates have all been revoked."""
        query = "SELECT name FROM certificates WHERE role = 'client' GROUP BY name HAVING count(*) = count(revoked)"
        return {str(row[0]) for row in self._db.execute(query)}

    def revoke(self, name: str) -> tuple[int, int]:
        """Revoke all certificates of a name and cancel its unused tokens; return how many of each there were."""
        with self._transaction():
            certificates = self._db.execute(
                "UPDATE certificates SET revoked = ? WHERE name = ? AND revoked IS NULL", (time.time(), name)
            ).rowcount
            tokens = self._db.execute(
                "UPDATE tokens SET cancelled = 1 WHERE name = ? AND cancelled = 0 AND used_by IS NULL", (name,)
            ).rowcount
        return certificates, tokens

    def note(self, key: str, value: str | None = None) -> str | None:
        """Keep a value under `key`, replacing the last one; without a value return the one that is kept, or None."""
        if value is not None:
            self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))
        row = self._db.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _enter(self, certificate: bytes) -> None:
        whose = read_identity(certificate)
        if whose is None:
            raise ValueError("the certificate has no limbeck:// name")
        row = (whose.serial, whose.name, whose.role)
        self._db.execute("INSERT INTO certificates (serial, name, role) VALUES (?, ?, ?)", row)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
