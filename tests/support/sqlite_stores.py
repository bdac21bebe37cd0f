"""SQLite stores that a test opens, and what it puts into them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from limbeck_common.core.blocks import Parts, Rows, soft_labels
from limbeck_server import events as fact
from limbeck_server.storage.protocols import INLINE_BYTES
from limbeck_server.storage.sqlite import SqliteStore


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(folder)
    try:
        yield store
    finally:
        store.close()


def labels(seed: int, *rows: int) -> Parts:
    values = np.random.default_rng(seed).dirichlet(np.ones(3), len(rows)).astype(np.float32)
    return {"labels": soft_labels(Rows(np.array(rows)), values)}


def large(store: SqliteStore) -> Parts:
    values = np.full((INLINE_BYTES, 1), 1, np.float32)
    return {"labels": soft_labels(Rows(np.arange(len(values))), store.collect([values]))}


def joined(number: int) -> fact.Fact:
    return fact.ClientJoined(at=number, client=f"client-{number}")


def broken(*_: object, **__: object) -> NoReturn:
    raise OSError(5, "Input/output error")
