"""What a daemon looks at again and again beside its federation: the age of its certificates, and what was revoked."""

import asyncio
import sqlite3

import structlog

from limbeck_common.core.errors import LimbeckError
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.pki.registry import Registry
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.rpc.server import warn_of_expiry

DAY = 86_400.0
REGISTRY_SECONDS = 1.0  # between two looks at what was revoked
REGISTRY_ATTEMPTS = 10  # a daemon that cannot know who was revoked must not go on for longer
_log = structlog.get_logger()


async def warn_daily(tls: TlsFolder) -> None:
    """Warn once a day of certificates that are about to expire."""
    while True:
        await asyncio.sleep(DAY)
        try:
            warn_of_expiry(tls)
        except (LimbeckError, OSError) as error:  # a warning is not worth the federation
            _log.warning("the certificates' last days are not known", error=str(error))


async def follow_revocations(coordinator: Coordinator, registry: Registry) -> None:
    """End the membership of clients whose certificates `limbeck-server revoke`, another process, has revoked.

    Raises:
        sqlite3.OperationalError: the registry could not be read for `REGISTRY_ATTEMPTS` looks in a row.
    """
    failures = 0
    while True:
        try:
            revoked = registry.revoked_names()
        except sqlite3.OperationalError:  # another process may hold the file for a moment
            if (failures := failures + 1) == REGISTRY_ATTEMPTS:
                raise
        else:
            failures = 0
            for name in sorted(revoked & coordinator.state.active):
                coordinator.apply(coordinator.machine.revoke, name)
        await asyncio.sleep(REGISTRY_SECONDS)
