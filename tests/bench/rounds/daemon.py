"""The daemon without its journal: `python daemon.py run ...` takes what `limbeck-server run` takes.

Everything is kept in memory. At its end it prints when each round opened, in seconds, as JSON.
"""

import json
from typing import Any

from limbeck_server.cli.main import main
from limbeck_server.events import Opened
from limbeck_server.federation import Federation
from limbeck_server.storage.memory import MemoryStore


def keep_nothing() -> MemoryStore:
    """Have the daemon open a store in memory, and return the store."""
    store, opened = MemoryStore(), Federation.open

    def in_memory(*arguments: Any, **named: Any) -> Any:
        return opened(*arguments, **named, store=store)

    Federation.open = in_memory  # type: ignore[method-assign]
    return store


if __name__ == "__main__":
    store = keep_nothing()
    try:
        main()
    finally:
        print(json.dumps([fact.at for fact in store.facts() if isinstance(fact, Opened)]), flush=True)
