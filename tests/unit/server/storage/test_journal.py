"""The journal before the store groups, orders and fails without a hang."""

import asyncio
import gc
from collections.abc import Iterable
from pathlib import Path

import pytest

from limbeck_common.core.errors import SetupError
from limbeck_server import events as fact
from limbeck_server.storage.journal import Journal
from limbeck_server.storage.sqlite import SqliteStore, StoredBlock


def joined(number: int) -> fact.Fact:
    return fact.ClientJoined(at=number, client=f"client-{number}")


class Counting(SqliteStore):
    """Counts its commits, and fails on demand."""

    commits = 0
    broken = False

    def commit(self, facts: Iterable[fact.Fact], blocks: Iterable[StoredBlock] = ()) -> None:
        self.commits += 1
        if self.broken:
            with self._engine.begin() as connection:  # what a full disk says, in the form in which it says it
                connection.exec_driver_sql("SELECT abs(-9223372036854775808)")
        super().commit(facts, blocks)


def test_what_waits_together_is_committed_together_and_in_order(tmp_path: Path) -> None:
    store = Counting(tmp_path)

    async def main() -> None:
        journal = Journal(store)
        running = asyncio.create_task(journal.run())
        futures = [journal.append([joined(number)]) for number in range(50)]
        await futures[0]
        futures += [journal.append([joined(number)]) for number in range(50, 100)]
        await futures[-1]
        assert all(future.done() for future in futures)
        assert store.facts() == [joined(number) for number in range(100)]
        journal.close()
        await running

    asyncio.run(main())
    assert store.commits == 2 + 1  # the last, of nothing, when it closes
    store.close()


def test_a_closing_journal_writes_what_is_queued_and_then_takes_nothing_more(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)

    async def main() -> None:
        journal = Journal(store)
        queued = journal.append([joined(1)])
        journal.close()
        await journal.run()
        assert queued.done()
        async with asyncio.timeout(1):
            await journal.append([])  # nothing to wait for
            with pytest.raises(SetupError, match="closed"):
                await journal.append([joined(2)])

    asyncio.run(main())
    assert store.facts() == [joined(1)]
    store.close()


def test_a_store_that_fails_is_told_to_all_who_wait(tmp_path: Path) -> None:
    store = Counting(tmp_path)

    async def main() -> None:
        journal = Journal(store)
        running = asyncio.create_task(journal.run())
        await journal.append([joined(1)])
        store.broken = True
        first = journal.append([joined(2)])
        await asyncio.sleep(0)  # it is under way
        second = journal.append([joined(3)])
        async with asyncio.timeout(5):
            told = await asyncio.gather(running, first, second, return_exceptions=True)
            told_later = await asyncio.gather(journal.append([]), return_exceptions=True)
        for error in (*told, *told_later):
            assert isinstance(error, SetupError)
            said = "the journal cannot be written: integer overflow; see to the disk, then start the daemon again"
            assert str(error) == said

    asyncio.run(main())
    assert store.facts() == [joined(1)]
    store.close()


def test_a_failure_that_nobody_waits_for_leaves_no_noise(tmp_path: Path) -> None:
    store = Counting(tmp_path)
    noise = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        journal = Journal(store)
        store.broken = True
        journal.append([joined(1)])
        with pytest.raises(SetupError):
            await journal.run()
        journal.append([joined(2)])
        gc.collect()

    asyncio.run(main())
    gc.collect()
    assert noise == []
    store.close()
