"""The queue of commits before a store: what waits together is committed together.

A flush to disk costs milliseconds whatever it carries, so one commit takes all that came while the last was under way.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from limbeck_common.core.errors import SetupError
from limbeck_server.events import Fact
from limbeck_server.storage.protocols import FactStore, StoredParts

_QUIET_TURNS = 10  # of the event loop, after which nothing more is about to come
_MOST_AT_ONCE = 256


class _Entry(NamedTuple):
    facts: Sequence[Fact]
    blocks: Sequence[StoredParts]
    done: asyncio.Future[None]


class Journal:
    """Appends to a store in the order of the calls. `run` must be running."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self._pending: list[_Entry] = []  # the commit that is under way included
        self._wake = asyncio.Event()
        self.closed = False
        self._written = False  # closed, and everything that was queued is durable
        self._lost: SetupError | None = None

    def append(self, facts: Sequence[Fact], blocks: Sequence[StoredParts] = ()) -> asyncio.Future[None]:
        """Queue facts and blocks; the future is done once they, and all before them, are durable.

        After the journal's end an append of nothing is done at once; anything else, and all after a failure, raises
        SetupError from the future.
        """
        future = asyncio.get_running_loop().create_future()
        if self._lost is not None:
            _fail(future, self._lost)
        elif not self._written:
            self._pending.append(_Entry(facts, blocks, future))
            self._wake.set()
        elif facts or blocks:
            future.set_exception(SetupError("the journal is closed", expected="nothing more to happen"))
        else:
            future.set_result(None)
        return future

    def close(self) -> None:
        """Let `run` return once everything that is queued is durable."""
        self.closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit what is queued, until closed. However this ends, no future stays undone.

        Cancelled, it lets the commit that is under way finish first.

        Raises:
            SetupError: the store cannot be written. All who wait get the same error, and nothing of theirs counts.
        """
        try:
            while self._pending or not self.closed:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self._gather()
                finally:  # cancelled, too: a commit that has only been put off is under way
                    await self._commit(self._pending.copy())
            self._written = True
        except Exception as error:
            why = " ".join(str(getattr(error, "orig", error)).split())  # SQLAlchemy's own words span lines
            self._lost = SetupError(
                f"the journal cannot be written: {why}", remedy="see to the disk, then start the daemon again"
            )
            raise self._lost from error
        finally:
            if not self._written:
                self._lost = self._lost or SetupError("the journal was stopped", remedy="start the daemon again")
                for entry in self._pending:
                    _fail(entry.done, self._lost)
                self._pending.clear()

    async def _gather(self) -> None:
        """Wait while more comes: a flush costs the same whatever it carries."""
        quiet = 0
        while quiet < _QUIET_TURNS and len(self._pending) < _MOST_AT_ONCE:
            before = len(self._pending)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._pending) == before else 0

    async def _commit(self, batch: list[_Entry]) -> None:
        facts = [fact for entry in batch for fact in entry.facts]
        blocks = [block for entry in batch for block in entry.blocks]
        writing = asyncio.get_running_loop().run_in_executor(None, self._store.commit, facts, blocks)
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:  # the thread goes on: what it writes is durable, and may be said to be
            await asyncio.wait([writing])
            if not writing.cancelled() and writing.exception() is None:
                self._settle(batch)
            raise
        self._settle(batch)

    def _settle(self, batch: list[_Entry]) -> None:
        del self._pending[: len(batch)]
        for entry in batch:
            if not entry.done.done():
                entry.done.set_result(None)


def _fail(future: asyncio.Future[None], error: SetupError) -> None:
    """Tell whoever waits. That nobody may wait is no news, as `run` raises the same."""
    if not future.done():
        future.set_exception(error)
        future.exception()
