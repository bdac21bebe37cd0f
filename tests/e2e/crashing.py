"""Run one of our programs so that it dies at a chosen step: `python crashing.py FAULT COUNT MODULE ARGUMENT...`.

The step is a call of one of the program's own functions; at its COUNT-th call the process gets a SIGKILL, right before
or right after. The product knows nothing of this.
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

from limbeck_client.keeping import Keeper
from limbeck_client.transport import GrpcTransport


class Fault(Enum):
    """Where a process dies: (whose, function, before or after its call)."""

    COMMITTING = ("server", "Store.commit", "before")
    COMMITTED = ("server", "Store.commit", "after")
    GATHERED = ("server", "Store.collect", "after")
    TRAINED = ("client", "Keeper.keep", "before")
    WRITTEN = ("client", "Path.replace", "before")
    KEPT = ("client", "Keeper.keep", "after")
    PUSHED = ("client", "GrpcTransport.push", "after")

    @property
    def whose(self) -> str:
        return self.value[0]


def owners(whose: str) -> dict[str, type]:
    if whose == "client":
        return {"Keeper": Keeper, "Path": Path, "GrpcTransport": GrpcTransport}
    from limbeck_server.store import Store  # noqa: PLC0415 - a client process must stay light

    return {"Store": Store}


def die() -> None:
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def plant(fault: Fault, count: int) -> None:
    """Make the fault's function deadly at its count-th call."""
    whose, name, when = fault.value
    owner_name, _, attribute = name.partition(".")
    owner = owners(whose)[owner_name]
    original: Callable[..., Any] = getattr(owner, attribute)
    calls = iter(range(1, 1 << 30))

    def deadly(*arguments: Any, **named: Any) -> Any:
        mine = next(calls) == count
        if mine and when == "before":
            die()
        result = original(*arguments, **named)
        if mine:
            die()
        return result

    async def deadly_async(*arguments: Any, **named: Any) -> Any:
        result = await original(*arguments, **named)
        if next(calls) == count:
            die()
        return result

    setattr(owner, attribute, deadly_async if asyncio.iscoroutinefunction(original) else deadly)


if __name__ == "__main__":
    plant(Fault[sys.argv[1]], int(sys.argv[2]))
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
