"""What a daemon watches beside its federation, and what becomes of it where that fails."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.federations import assembled, opened

from limbeck_server import watchers
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.pki.registry import Registry


class Busy(Registry):
    """A registry that another process holds for the first `busy` looks, and in which a was revoked."""

    def __init__(self, busy: int) -> None:
        self._busy = busy

    def revoked_names(self) -> set[str]:
        self._busy -= 1
        if self._busy >= 0:
            raise sqlite3.OperationalError("database is locked")
        return {"a"}


async def test_a_registry_that_is_busy_for_a_while_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "REGISTRY_SECONDS", 0.0)
    async with assembled() as federation:
        await opened(federation)
        coordinator = federation.coordinator
        following = asyncio.create_task(watchers.follow_revocations(coordinator, Busy(9)))
        async with asyncio.timeout(5):
            while coordinator.state.active != {"b"}:
                await coordinator.changed.wait()
        following.cancel()
        with pytest.raises(sqlite3.OperationalError):
            await watchers.follow_revocations(coordinator, Busy(10))


async def test_certificates_that_cannot_be_read_are_worth_a_warning_a_day_and_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watchers, "DAY", 0.01)
    folder = TlsFolder(tmp_path / "nowhere")
    with capture_logs() as logs:
        warning = asyncio.create_task(watchers.warn_daily(folder))
        await asyncio.sleep(0.2)
        assert not warning.done()
        warning.cancel()
    assert {each["event"] for each in logs} == {"the certificates' last days are not known"}
    assert len(logs) > 1
