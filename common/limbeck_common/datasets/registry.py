"""The built-in data sets by name, and one participant's share of one.

To add a data set, write a file like `digits.py` and name it in `DATASETS`.
"""

import os
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError
from limbeck_common.core.spec import DataSpec, Output
from limbeck_common.datasets.cifar10 import CIFAR10
from limbeck_common.datasets.dataset import DataSet, Request, shuffled
from limbeck_common.datasets.digits import DIGITS
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.datasets.fashion_mnist import FASHION_MNIST
from limbeck_common.datasets.mnist import MNIST
from limbeck_common.datasets.partitions import alike, partition

DATASETS = {each.name: each for each in (DIGITS, MNIST, FASHION_MNIST, CIFAR10)}
OWN = "own"
"""Stands in `data.dataset` for the participants' own data."""


def find_dataset(name: str) -> DataSet:
    """Return the built-in data set of this name.

    >>> find_dataset("digits").classes
    10
    >>> find_dataset("minst")
    Traceback (most recent call last):
    limbeck_common.core.errors.DataError: unknown data set 'minst'; expected digits, mnist, fashion_mnist, cifar10 or
    own; did you mean 'mnist'?

    Raises:
        DataError: there is none, or the name is "own", which stands for the participants' own data.
    """
    if name in DATASETS:
        return DATASETS[name]
    if name == OWN:
        raise DataError(
            "the data set is the user's own",
            expected=f"a built-in one: {', '.join(DATASETS)}",
            remedy="name the data with --data package.module:callable",
        )
    close = get_close_matches(name, [*DATASETS, OWN], 1)
    raise DataError(
        f"unknown data set {name!r}",
        expected=f"{', '.join(DATASETS)} or {OWN}",
        remedy=f"did you mean {close[0]!r}?" if close else "correct data.dataset",
    )


def output_of(spec: DataSpec) -> Output:
    """Return what a model of a built-in data set predicts. Raises DataError as `find_dataset` does."""
    return Output(width=find_dataset(spec.dataset).classes)


def load_participant(
    spec: DataSpec, seed: int, part: int | None, root: Path | None = None, *, download: bool = True
) -> ParticipantData:
    """Return what one participant holds of a built-in data set: client `part` of `spec.parts`, or None for the server.

    Every participant derives the same open and test rows, and its own private rows, from `spec` and `seed` alone. Files
    lie in `root`, else in the folder that LIMBECK_DATA names, else in ~/.cache/limbeck; missing files are downloaded,
    unless `download` is false.

    >>> data = load_participant(DataSpec(dataset="digits", parts=4), seed=0, part=1)
    >>> data.open.shape, data.test.x.shape
    ((500, 1, 8, 8), (360, 1, 8, 8))

    Raises:
        DataError: there is no such data set, its files are not available, it has too few rows, or `part` is out of
            range.
    """
    found = find_dataset(spec.dataset)
    if part is not None and not 0 <= part < spec.parts:
        raise DataError(f"there is no part {part}", expected=f"0 to {spec.parts - 1}, as data.parts is {spec.parts}")
    folder = Path(root or os.environ.get("LIMBECK_DATA") or "~/.cache/limbeck").expanduser()
    pool, shares, drawn, labels, test = _share_out(found, spec, Request(seed, folder, download))
    if part is None:
        return ParticipantData(open=drawn, test=test, open_labels=labels)
    private, local = Examples(pool.x[shares[part]], pool.y[shares[part]]), None
    if spec.test != "global":
        rows = alike(pool.y, shares, test.y)[part]
        local = Examples(test.x[rows], test.y[rows])
    measured = local if spec.test == "local" else test
    own = local if spec.test == "both" else None
    return ParticipantData(private=private, open=drawn, test=measured, local_test=own, open_labels=labels)


@lru_cache(maxsize=2)  # a simulation loads many parts of the same data set
def _share_out(
    dataset: DataSet, spec: DataSpec, request: Request
) -> tuple[Examples, list[NDArray[np.int64]], NDArray[Any], NDArray[np.int64] | None, Examples]:
    """Return the pool, each part's rows in it, the open rows, their labels (None: no classes) and the test rows."""
    source = dataset.load(request)
    pool = source.pool
    count = spec.open or dataset.open_rows
    rest = shuffled(len(pool.y), request.seed, "private")
    labels: NDArray[np.int64] | None = None
    if source.open is None:
        drawn, labels, rest = pool.x[rest[:count]], pool.y[rest[:count]], rest[count:]
        limit = f"{len(pool.y)} in all, with at least one private"
    else:
        drawn = source.open[shuffled(len(source.open), request.seed, "open")[:count]]
        limit = f"{len(source.open)} open and {len(pool.y)} private"
    if len(drawn) < count or len(rest) < max(1, spec.private):
        raise DataError(
            f"{spec.dataset} has too few rows for {count} open and {spec.private or 'some'} private",
            expected=f"at most {limit}",
            remedy="lower data.open or data.private",
        )
    rest = rest[: spec.private or None]
    # The server shares the rows out too: it then refuses at the start what no client could do.
    shares = [rest[share] for share in partition(pool.y[rest], spec.parts, request.seed, spec)]
    return pool, shares, drawn, labels, source.test
