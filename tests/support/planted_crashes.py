"""Have one of our programs die or stop at chosen steps: `-m support.planted_crashes PLANTED... -- MODULE ARG...`.

PLANTED is SIGNAL:STEP:COUNT. A step is a call of one of the program's own functions; at its COUNT-th call the process
gets the signal, KILL or STOP, right before or right after. The product knows nothing of this.
"""

import asyncio
import os
import runpy
import signal
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from limbeck_client.checkpoint import CheckpointFile
from limbeck_client.privacy.release_log import ReleaseLog
from limbeck_client.transport import GrpcTransport


class Step(Enum):
    """Where: (whose, function, before or after its call)."""

    COMMITTING = ("server", "SqliteStore.commit", "before")
    WRITING = ("server", "RootTransaction.commit", "before")  # the rows are there, the transaction is not
    COMMITTED = ("server", "SqliteStore.commit", "after")
    COLLECTED = ("server", "SqliteStore.collect", "after")
    TRAINED = ("client", "CheckpointFile.save", "before")
    WRITTEN = ("client", "Path.replace", "before")
    KEPT = ("client", "CheckpointFile.save", "after")
    RELEASED = ("client", "ReleaseLog.write", "after")
    PUSHED = ("client", "GrpcTransport.push", "after")

    @property
    def whose(self) -> str:
        return self.value[0]


def owners(whose: str) -> dict[str, type]:
    if whose == "client":
        return {
            "CheckpointFile": CheckpointFile,
            "ReleaseLog": ReleaseLog,
            "Path": Path,
            "GrpcTransport": GrpcTransport,
        }
    from sqlalchemy.engine import RootTransaction  # noqa: PLC0415 - a client process must stay light

    from limbeck_server.storage.sqlite import SqliteStore  # noqa: PLC0415

    return {"SqliteStore": SqliteStore, "RootTransaction": RootTransaction}


def plant(number: signal.Signals, step: Step, count: int) -> None:
    """Have the step's function send the signal at its count-th call."""
    whose, name, when = step.value
    owner_name, _, attribute = name.partition(".")
    owner = owners(whose)[owner_name]
    original: Callable[..., Any] = getattr(owner, attribute)
    calls = iter(range(1, 1 << 30))

    def befall() -> None:
        sys.stderr.flush()
        os.kill(os.getpid(), number)

    def struck(*arguments: Any, **named: Any) -> Any:
        mine = next(calls) == count
        if mine and when == "before":
            befall()
        result = original(*arguments, **named)
        if mine and when == "after":
            befall()
        return result

    async def struck_async(*arguments: Any, **named: Any) -> Any:
        result = await original(*arguments, **named)
        if next(calls) == count:
            befall()
        return result

    setattr(owner, attribute, struck_async if asyncio.iscoroutinefunction(original) else struck)


if __name__ == "__main__":
    split = sys.argv.index("--")
    for planted in sys.argv[1:split]:
        name, where, at = planted.split(":")
        plant(signal.Signals[f"SIG{name}"], Step[where], int(at))
    sys.argv = sys.argv[split + 1 :]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
