"""Waiting between attempts, and the loop that repeats a call until it succeeds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from secrets import SystemRandom
from typing import TypeVar

import structlog

from limbeck_client.retry import NO_ATTEMPTS, Attempts
from limbeck_common.core.errors import BehindError, LimbeckError

_Result = TypeVar("_Result")
_BEHIND = "the server's store is older than what this client knows: its operator should run `limbeck-server restore`"
_log = structlog.get_logger()


async def wait(attempts: Attempts, client: str) -> None:
    """Wait before the next attempt, and log why; return at once where nothing has failed yet.

    The pause is drawn from half to one and a half times `attempts.pause`, so that clients do not return all at once.
    """
    if not attempts.pause:
        return
    seconds = attempts.pause * SystemRandom().uniform(0.5, 1.5)
    event = _BEHIND if isinstance(attempts.error, BehindError) else "trying again"
    _log.warning(event, client=client, after=str(attempts.error), again_in=round(seconds, 2))
    await asyncio.sleep(seconds)


async def persist(
    call: Callable[[], Awaitable[_Result]],
    client: str,
    patience: float,
    progress: Callable[[], object] = lambda: None,
) -> _Result:
    """Return what `call` returns; repeat it while it fails for a reason that may pass, for `patience` seconds.

    The seconds count from the last failure before which `progress()` had changed: a stream that is taken up where it
    broke may break any number of times.

    Raises:
        LimbeckError: the last failure, once trying again is of no use.
    """
    attempts = NO_ATTEMPTS
    while True:
        began, before = time.monotonic(), progress()
        try:
            await wait(attempts, client)
            return await call()
        except LimbeckError as error:
            if progress() != before:
                attempts, began = NO_ATTEMPTS, time.monotonic()
            again = attempts.again(error, time.monotonic() - began, patience)
            if again is None:
                raise
            attempts = again
