"""How private rows are shared out to clients: pure functions of the labels and a seed.

iid        Every part is a random sample of the rows; sizes differ by one row at most.
dirichlet  For each class, the parts' shares are drawn from Dir(alpha): a small alpha gives a class to few parts.
           Yurochkin et al. 2019 (arXiv 1905.12022). Drawn again until no part is too small, as NIID-Bench does
           (Li et al. 2022, arXiv 2102.02079).
dirichlet_equal  Every part has the same number of rows, and its shares of the classes are drawn from Dir(alpha): Hsu et
           al. 2019 (arXiv 1909.06335). Where a class runs out, its share goes to the classes that are left.
shards     Every part holds few classes: the pathological split of McMahan et al. 2017 (arXiv 1602.05629), with shards
           that never straddle two classes.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError
from limbeck_common.core.seeds import derive
from limbeck_common.core.spec import DataSpec
from limbeck_common.datasets.examples import Examples

Indices = NDArray[np.int64]

TRIES = 1000
"""Draws of a Dirichlet partition before giving up: under a second for a hundred parts."""


def partition(labels: Indices, parts: int, seed: int, scheme: DataSpec) -> list[Indices]:
    """Share the rows 0 .. len(labels)-1 out to `parts` parts, none of them empty.

    `labels` are the rows' classes, any integers, shape [rows]. Of `scheme`, the fields partition, alpha and
    classes_per_part are read. Returns each part's rows, ascending; together they are every row, once. The same
    arguments give the same parts, and no other random generator is touched.

    >>> partition(np.array([0, 1, 0, 1, 0, 1]), parts=2, seed=0, scheme=DataSpec(partition="iid"))
    [array([1, 3, 4]), array([0, 2, 5])]

    Raises:
        DataError: there are too few rows.
    """
    if not 1 <= parts <= len(labels):
        raise DataError(
            f"{len(labels)} private rows cannot be shared out to {parts} parts",
            expected="at least one part, and a row for each part",
            remedy="ask for fewer parts or more private rows",
        )
    rng = np.random.Generator(np.random.PCG64(derive(seed, "partition", scheme.partition)))
    order = rng.permutation(len(labels))
    classes = [order[labels[order] == label] for label in np.unique(labels)]  # each class's rows, shuffled
    if scheme.partition == "iid":
        shares = np.array_split(order, parts)
    elif scheme.partition == "dirichlet":
        shares = _dirichlet(classes, parts, scheme.alpha, rng)
    elif scheme.partition == "dirichlet_equal":
        shares = _dirichlet_equal(classes, parts, scheme.alpha, rng)
    else:
        shares = _shards(classes, parts, scheme.classes_per_part, rng)
    return [np.sort(share).astype(np.int64) for share in shares]


def split(  # noqa: PLR0913 - as many as there are schemes to describe
    examples: Examples,
    parts: int,
    part: int,
    *,
    scheme: Literal["iid", "dirichlet", "dirichlet_equal", "shards"] = "dirichlet",
    alpha: float = 0.5,
    classes_per_part: int = 2,
    seed: int = 0,
) -> Examples:
    """Return one part's share of labelled rows, as the built-in data sets are shared out; parts count from 0.

    >>> rows = Examples(np.arange(6), np.array([0, 1, 0, 1, 0, 1]))
    >>> split(rows, parts=2, part=0, scheme="iid").x
    array([1, 3, 4])

    Raises:
        DataError: there is no such part, or there are too few rows.
    """
    if not 0 <= part < parts:
        raise DataError(f"part {part} of {parts}", expected=f"a part from 0 to {parts - 1}")
    shares = partition(
        examples.y, parts, seed, DataSpec(partition=scheme, alpha=alpha, classes_per_part=classes_per_part)
    )
    return Examples(examples.x[shares[part]], examples.y[shares[part]])


def alike(labels: Indices, shares: list[Indices], test_labels: Indices) -> list[Indices]:
    """Share test rows out so that each part's have the classes of its private rows, in the same proportions.

    `labels` are the classes of all private rows, of which `shares` holds each part's; the test rows of a class go to
    the parts in proportion to their private rows of it, in their order, each once. A part that would get none shares a
    row of its most frequent class with another one.

    >>> alike(np.array([0, 0, 1, 1]), [np.array([0, 1, 2]), np.array([3])], np.array([1, 0, 0, 1]))
    [array([0, 1, 2]), array([3])]
    """
    found: list[list[Indices]] = [[] for _ in shares]
    for label in np.unique(labels):
        rows = np.flatnonzero(test_labels == label)
        counts = np.array([np.count_nonzero(labels[share] == label) for share in shares])
        cuts = np.rint(np.cumsum(counts)[:-1] / max(1, counts.sum()) * len(rows)).astype(np.int64)
        for part, piece in zip(found, np.split(rows, cuts), strict=True):
            part.append(piece)
    parts = [np.sort(np.concatenate(pieces)) for pieces in found]
    for number, share in enumerate(shares):
        if not len(parts[number]):
            most = np.bincount(labels[share]).argmax()
            parts[number] = np.flatnonzero(test_labels == most)[:1]
    return parts


def smallest(rows: int, parts: int) -> int:
    """Return the fewest rows that a Dirichlet partition may leave to a part."""
    return max(1, min(10, rows // (2 * parts)))


def _dirichlet(classes: list[Indices], parts: int, alpha: float, rng: np.random.Generator) -> list[Indices]:
    """Return the parts' rows, unsorted. Raises DataError if none of TRIES draws gives every part enough rows."""
    sizes = np.array([len(rows) for rows in classes])
    least = smallest(int(sizes.sum()), parts)
    for _ in range(TRIES):
        shares = rng.dirichlet(np.full(parts, alpha), size=len(classes))  # [classes, parts], rows sum to 1
        # Where each class is cut, [classes, parts - 1]; kept within the class whatever the rounding.
        cuts = np.minimum(np.cumsum(shares[:, :-1], axis=1) * sizes[:, None], sizes[:, None]).astype(np.int64)
        counts = np.diff(cuts, axis=1, prepend=0, append=sizes[:, None])  # [classes, parts]
        if counts.sum(axis=0).min() >= least:
            cut = [np.split(rows, places) for rows, places in zip(classes, cuts, strict=True)]
            return [np.concatenate(pieces) for pieces in zip(*cut, strict=True)]
    raise DataError(
        f"in {TRIES} draws of Dir({alpha:g}), one of {parts} parts always got fewer than {least} rows",
        expected=f"at least {least} of the {sizes.sum()} rows in every part",
        remedy="raise alpha, or ask for fewer parts or more private rows",
    )


def _dirichlet_equal(classes: list[Indices], parts: int, alpha: float, rng: np.random.Generator) -> list[Indices]:
    """Return the parts' rows, unsorted; sizes differ by one row at most."""
    left = np.array([len(rows) for rows in classes])
    sizes = [len(chunk) for chunk in np.array_split(np.arange(left.sum()), parts)]
    shares = []
    for size in sizes:
        mix = rng.dirichlet(np.full(len(classes), alpha)) + 1e-9  # so that any class that is left can be drawn
        taken = np.zeros_like(left)
        while (lacking := size - taken.sum()) > 0:
            open_classes = np.where(left > taken, mix, 0.0)
            drawn = rng.multinomial(lacking, open_classes / open_classes.sum())
            taken = np.minimum(taken + drawn, left)
        shares.append(np.concatenate([rows[n - k : n] for rows, n, k in zip(classes, left, taken, strict=True)]))
        left -= taken
    return shares


def _shards(classes: list[Indices], parts: int, per_part: int, rng: np.random.Generator) -> list[Indices]:
    """Return the parts' rows, unsorted; every part holds `per_part` classes.

    A part holds more classes where some would otherwise have no holder, and fewer where a class has fewer rows than
    holders.
    """
    held = min(len(classes), max(per_part, -(-len(classes) // parts)))
    sizes = np.array([len(rows) for rows in classes])
    holders: list[list[int]] = [[] for _ in classes]
    for part in range(parts):
        taken = np.array([len(names) for names in holders])
        # Classes that still have a row for another holder come first, the least held before others; chance breaks ties.
        for label in np.lexsort((rng.random(len(classes)), taken, taken >= sizes))[:held]:
            holders[label].append(part)
    shares: list[list[Indices]] = [[] for _ in range(parts)]
    for rows, names in zip(classes, holders, strict=True):
        for part, piece in zip(names, np.array_split(rows, len(names)), strict=True):
            shares[part].append(piece)
    found = [np.concatenate(pieces) for pieces in shares]
    if empty := sum(len(share) == 0 for share in found):
        raise DataError(
            f"{sizes.sum()} private rows in shards leave {empty} of {parts} parts empty",
            expected=f"enough rows of each class for parts of {held} classes",
            remedy="ask for fewer parts, fewer classes_per_part or more private rows",
        )
    return found
