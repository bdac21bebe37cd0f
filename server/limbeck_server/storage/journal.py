"""The store behind a queue: what waits together is committed together.

A flush to disk costs milliseconds whatever it carries, so one commit takes all that came while the last was under way.
"""

import asyncio
from collections.abc import Sequence

from limbeck_common.core.errors import SetupError
from limbeck_server.events import Fact
from limbeck_server.storage.protocols import FactStore, StoredBlock


class Journal:
    """Appends in the order of the calls. `run` must be running."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self._pending: list[tuple[Sequence[Fact], Sequence[StoredBlock], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self.closed = False
        self._written = False  # closed, and all that was queued is durable
        self._lost: SetupError | None = None

    def append(self, facts: Sequence[Fact], blocks: Sequence[StoredBlock] = ()) -> asyncio.Future[None]:
        """Queue facts and blocks; the future is done once they, and all before them, are durable.

        After the journal's end there is nothing to wait for, and nothing can be added.
        """
        future = asyncio.get_running_loop().create_future()
        if self._lost is not None:
            _fail(future, self._lost)
        elif not self._written:
            self._pending.append((facts, blocks, future))
            self._wake.set()
        elif facts or blocks:
            future.set_exception(SetupError("the journal is closed", expected="nothing more to happen"))
        else:
            future.set_result(None)
        return future

    def close(self) -> None:
        """Let `run` return once all that is queued is durable."""
        self.closed = True
        self._wake.set()

    async def run(self) -> None:
        """Commit what is queued, until closed.

        Raises:
            SetupError: the store cannot be written. What waited is told the same, and counts as never said.
        """
        while self._pending or not self.closed:
            await self._wake.wait()
            self._wake.clear()
            batch, self._pending = self._pending, []
            facts = [fact for group, _, _ in batch for fact in group]
            blocks = [block for _, group, _ in batch for block in group]
            try:
                await asyncio.to_thread(self._store.commit, facts, blocks)
            except Exception as error:
                why = " ".join(str(getattr(error, "orig", error)).split())  # SQLAlchemy's own words span lines
                self._lost = SetupError(
                    f"the journal cannot be written: {why}", remedy="see to the disk, then start the daemon again"
                )
                for _, _, future in batch + self._pending:
                    if not future.done():
                        _fail(future, self._lost)
                raise self._lost from error
            else:
                for _, _, future in batch:
                    if not future.done():
                        future.set_result(None)
        self._written = True


def _fail(future: asyncio.Future[None], error: SetupError) -> None:
    """Tell whoever waits; that nobody may wait is no news, as `run` raises the same."""
    future.set_exception(error)
    future.exception()
