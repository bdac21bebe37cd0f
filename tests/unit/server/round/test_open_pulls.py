import asyncio
import time

from limbeck_server.round.open_pulls import OpenPulls


async def test_a_turn_before_the_wait_is_not_missed() -> None:
    waiting = OpenPulls()
    before = waiting.turn
    waiting.wake()
    began = time.monotonic()
    await waiting.wait(before, 60)
    assert time.monotonic() - began < 30


async def test_a_wait_ends_with_its_time() -> None:
    waiting = OpenPulls()
    await waiting.wait(waiting.turn, 0.01)
    assert waiting.turn == 0


async def test_a_crowd_is_woken_slice_by_slice_and_whoever_left_is_not() -> None:
    waiting, woken = OpenPulls(), list[int]()

    async def wait(number: int) -> None:
        await waiting.wait(waiting.turn, 60)
        woken.append(number)

    crowd = [asyncio.create_task(wait(number)) for number in range(450)]
    await asyncio.sleep(0)
    crowd[300].cancel()
    await asyncio.sleep(0)
    waiting.wake()
    seen = []
    while len(woken) < 449:
        await asyncio.sleep(0)
        seen.append(len(woken))
    assert woken == [*range(300), *range(301, 450)]
    assert seen[0] <= 200  # the second slice has not been woken when the first goes on
