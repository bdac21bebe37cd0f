"""Several things at once, where one that goes wrong ends the others."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from limbeck_common.core.errors import LimbeckError


async def together(*work: Coroutine[Any, Any, Any]) -> None:
    """Run all of it to its end.

    Raises:
        LimbeckError: the first one that was raised, by itself and not in a group; the others were cancelled.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)
    except* LimbeckError as group:
        raise group.exceptions[0] from None
