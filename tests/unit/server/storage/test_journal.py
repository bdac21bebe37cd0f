"""The queue before the store groups, orders, and never leaves a caller waiting."""

import asyncio
import gc
import threading
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from limbeck_common.core.blocks import parameters
from limbeck_common.core.errors import SetupError
from limbeck_server import events as fact
from limbeck_server.storage.journal import Journal
from limbeck_server.storage.memory import MemoryStore
from limbeck_server.storage.protocols import StoredParts


def joined(number: int) -> fact.Fact:
    return fact.ClientJoined(at=number, client=f"client-{number}")


class Counting(MemoryStore):
    """Counts its commits, waits before each while `go` is not set, and fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0
        self.broken = False
        self.go = threading.Event()
        self.go.set()
        self.under_way = threading.Event()

    def commit(self, facts: Sequence[fact.Fact], blocks: Iterable[StoredParts] = ()) -> None:
        self.commits += 1
        self.under_way.set()
        assert self.go.wait(10)
        if self.broken:
            raise OSError(28, "No space\n  left")
        super().commit(facts, blocks)


async def under_way(store: Counting) -> None:
    assert await asyncio.to_thread(store.under_way.wait, 10)


def test_what_waits_together_is_committed_together_and_in_order() -> None:
    store = Counting()

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


def test_a_future_is_not_done_before_its_commit_is() -> None:
    store = Counting()
    store.go.clear()

    async def main() -> None:
        journal = Journal(store)
        running = asyncio.create_task(journal.run())
        first = journal.append([joined(1)])
        await under_way(store)
        second = journal.append([joined(2)])
        assert not first.done()
        store.go.set()
        await first
        await second
        assert store.facts() == [joined(1), joined(2)]
        journal.close()
        await running

    asyncio.run(main())


def test_a_closing_journal_writes_what_is_queued_and_then_takes_nothing_more() -> None:
    store = Counting()

    async def main() -> None:
        journal = Journal(store)
        queued = journal.append([joined(1)])
        journal.close()
        await journal.run()
        assert queued.done()
        async with asyncio.timeout(1):
            await journal.append([])  # nothing to wait for
            with pytest.raises(SetupError, match="the journal is closed; expected nothing more to happen"):
                await journal.append([joined(2)])
            with pytest.raises(SetupError, match="the journal is closed"):
                await journal.append([], [StoredParts(1, "a", {"model": parameters({"w": np.zeros(1)})})])

    asyncio.run(main())
    assert store.facts() == [joined(1)]


def test_a_store_that_fails_is_told_to_all_who_wait_and_to_all_who_come_later() -> None:
    store = Counting()

    async def main() -> None:
        journal = Journal(store)
        running = asyncio.create_task(journal.run())
        await journal.append([joined(1)])
        store.broken = True
        store.go.clear()
        store.under_way.clear()
        first = journal.append([joined(2)])
        await under_way(store)
        second = journal.append([joined(3)])
        store.go.set()
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(running, first, second, return_exceptions=True)
            outcomes += await asyncio.gather(journal.append([]), return_exceptions=True)
        said = "the journal cannot be written: [Errno 28] No space left; see to the disk, then start the daemon again"
        assert [(type(error), str(error)) for error in outcomes] == [(SetupError, said)] * 4

    asyncio.run(main())
    assert store.facts() == [joined(1)]


def test_a_cancelled_journal_finishes_its_commit_and_fails_what_is_queued_behind_it() -> None:
    store = Counting()
    store.go.clear()

    async def main() -> None:
        journal = Journal(store)
        running = asyncio.create_task(journal.run())
        first = journal.append([joined(1)])
        await under_way(store)
        second = journal.append([joined(2)])
        running.cancel()
        await asyncio.sleep(0)
        assert not running.done()  # the thread still writes
        store.go.set()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await running
            await first
            for late in (second, journal.append([joined(3)]), journal.append([])):
                with pytest.raises(SetupError, match="the journal was stopped; start the daemon again"):
                    await late

    asyncio.run(main())
    assert store.facts() == [joined(1)]


def test_a_cancelled_journal_whose_commit_fails_fails_everything() -> None:
    store = Counting()
    store.broken = True
    store.go.clear()

    async def main() -> None:
        journal = Journal(store)
        running = asyncio.create_task(journal.run())
        first = journal.append([joined(1)])
        await under_way(store)
        running.cancel()
        await asyncio.sleep(0)
        store.go.set()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await running
            with pytest.raises(SetupError, match="the journal was stopped"):
                await first

    asyncio.run(main())


def test_a_journal_that_is_cancelled_while_it_waits_fails_what_comes_later() -> None:
    async def main() -> None:
        journal = Journal(Counting())
        running = asyncio.create_task(journal.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        async with asyncio.timeout(5):
            with pytest.raises(SetupError, match="the journal was stopped"):
                await journal.append([])

    asyncio.run(main())


def test_a_caller_that_gave_up_keeps_nobody_else_from_an_answer() -> None:
    store = Counting()

    async def main() -> None:
        journal = Journal(store)
        gone, there = journal.append([joined(1)]), journal.append([joined(2)])
        gone.cancel()
        running = asyncio.create_task(journal.run())
        await there
        journal.close()
        await running

    asyncio.run(main())
    assert store.facts() == [joined(1), joined(2)]


def test_a_failure_that_nobody_waits_for_leaves_no_noise() -> None:
    store = Counting()
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
