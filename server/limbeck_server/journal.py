"""The store behind a queue: what waits together is committed together.

A flush to disk costs milliseconds whatever it carries, so one commit takes all that came while the last was under way.
"""

import asyncio
from collections.abc import Sequence

from limbeck_common.errors import SetupError
from limbeck_server.facts import Fact
from limbeck_server.store import Filed, Store


class Journal:
    """Appends in the order of the calls. `run` must be running."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: list[tuple[Sequence[Fact], Sequence[Filed], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self.closed = False

    def append(self, facts: Sequence[Fact], filed: Sequence[Filed] = ()) -> asyncio.Future[None]:
        """Queue facts and blocks; the future is done once they, and all before them, are durable."""
        future = asyncio.get_running_loop().create_future()
        self._pending.append((facts, filed, future))
        self._wake.set()
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
            filed = [block for _, group, _ in batch for block in group]
            try:
                await asyncio.to_thread(self._store.commit, facts, filed)
            except Exception as error:
                lost = SetupError(
                    f"the journal cannot be written: {error}", remedy="see to the disk, then start the daemon again"
                )
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(lost)
                raise lost from error
            else:
                for _, _, future in batch:
                    if not future.done():
                        future.set_result(None)
