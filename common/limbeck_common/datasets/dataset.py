"""What a built-in data set declares of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError
from limbeck_common.core.seeds import derive, splitmix64
from limbeck_common.datasets.examples import Examples


@dataclass(frozen=True)
class Request:
    """What a reader gets: the federation's seed, the folder of files, and whether missing files may be downloaded."""

    seed: int
    folder: Path
    download: bool


@dataclass(frozen=True, eq=False)
class Source:
    """What a reader returns.

    Private rows are drawn from `pool`. Open rows are drawn from `open`, shape [rows, *sample_shape], or, where that is
    None, from `pool` too, and then disjoint from the private rows.
    """

    pool: Examples
    test: Examples
    open: NDArray[Any] | None = None


@dataclass(frozen=True)
class DataSet:
    """A built-in data set.

    `open_rows` is the default number of open rows. `contents` describes the rows in one line, for people. `load` may
    raise DataError, and is the only part that needs the files or another library.
    """

    name: str
    classes: int
    open_rows: int
    test_rows: int
    contents: str
    load: Callable[[Request], Source]


def shuffled(rows: int, seed: int, use: str) -> NDArray[np.int64]:
    """Return 0 .. rows-1 in an order that depends on the seed and the use, and on no library's version.

    All participants must draw the same open and test rows.

    >>> shuffled(5, seed=0, use="test")
    array([3, 0, 1, 2, 4])
    """
    return np.argsort(splitmix64(derive(seed, "data", use), rows), kind="stable").astype(np.int64)


def import_reader(module: str, dataset: str, extra: str) -> Any:
    """Import a library that only this data set needs.

    Raises:
        DataError: it is not installed; names the extra of limbeck that brings it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise DataError(f"{dataset} cannot be read: {error}", remedy=f"pip install 'limbeck[{extra}]'") from error
