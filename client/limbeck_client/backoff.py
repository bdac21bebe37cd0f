"""The pause before a call is tried again."""

import asyncio
import random

import structlog

from limbeck_client.retry import Attempts

_log = structlog.get_logger()


async def wait(attempts: Attempts, client: str) -> None:
    """Make the pause that is due, if any, and say why."""
    if attempts.pause:
        seconds = attempts.pause * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, so that clients do not return as one
        _log.warning("trying again", client=client, after=str(attempts.error), again_in=round(seconds, 2))
        await asyncio.sleep(seconds)
