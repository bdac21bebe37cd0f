"""Who is calling: what the certificate says, never what a message says."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc

from limbeck_common.core.errors import BusyError, CertificateError, IdentityError, RoleError
from limbeck_common.security.certificates import Identity, read_identity
from limbeck_server.pki.registry import Registry

CallContext = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class Authentication:
    """Identifies the caller of every call, so that a revocation takes effect at once.

    Without a registry the port is in plain text, on loopback or by explicit choice, and callers are who they say.
    `calls` is how many calls one client may have open at a time.

    Each call reads one row of the registry, by its primary key, on the event loop: the page is in SQLite's cache, and a
    thread would take longer than the read.
    """

    registry: Registry | None = None
    calls: int = 16
    _open: Counter[str] = field(default_factory=Counter)

    def enter(self, context: CallContext) -> str:
        """Count a client's call: by its certificate's name, or by its connection in plain text.

        Returns which, for `leave`.

        Raises:
            CertificateError, RoleError: the caller may not make this call.
            BusyError: the caller has too many calls open.
        """
        caller = context.peer() if self.registry is None else self._known(context, "client").name
        if self._open[caller] >= self.calls:
            raise BusyError(
                f"{caller} has {self._open[caller]} calls open",
                expected=f"at most {self.calls} at a time",
                remedy="run one client under a name",
            )
        self._open[caller] += 1
        return caller

    def leave(self, caller: str) -> None:
        """Count a call no longer; `caller` is what `enter` returned."""
        self._open[caller] -= 1
        if not self._open[caller]:
            del self._open[caller]

    def caller(self, context: CallContext, claimed: str | None = None) -> str:
        """Return the calling client's name. `claimed` is the name in its message, where the message has one.

        Raises:
            CertificateError, RoleError: the caller may not make this call.
            IdentityError: the certificate and the message have different names.
        """
        if self.registry is None:
            return claimed or ""
        known = self._known(context, "client")
        if claimed is not None and claimed != known.name:
            raise IdentityError(
                f"a message from {claimed[:80]!r}",
                expected=f"{known.name!r}, the certificate's name",
                remedy="use the name that the token was made for",
            )
        return known.name

    def operator(self, context: CallContext) -> None:
        """Check that an operator calls. Raises CertificateError, RoleError for any other caller."""
        if self.registry is not None:
            self._known(context, "operator")

    def _known(self, context: CallContext, role: str) -> Identity:
        shown = list(context.auth_context().get("x509_pem_cert", ()))
        known = read_identity(shown[0]) if shown else None
        remedy = "enrol again: limbeck-client enroll TOKEN"
        if known is None or self.registry is None:
            raise CertificateError("a certificate without a limbeck name", expected="an enrolled one", remedy=remedy)
        if not self.registry.holds(known.serial):
            raise CertificateError(
                f"the certificate of {known.name} was revoked", expected="a valid one", remedy=remedy
            )
        if known.expires < datetime.now(UTC):  # TLS checks it too, but only when the connection begins
            raise CertificateError(f"the certificate of {known.name} has expired", remedy=remedy)
        if known.role != role:
            raise RoleError(
                f"{known.name} is {'an' if known.role == 'operator' else 'a'} {known.role}",
                expected=f"{'an' if role == 'operator' else 'a'} {role} for this call",
                remedy="use credentials of that role: limbeck-server token create --role",
            )
        return known
