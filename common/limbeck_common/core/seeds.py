"""Randomness that every participant derives by itself, independent of any library's version.

SplitMix64 is Steele, Lea and Flood's generator ("Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def derive(seed: int, *labels: str | int) -> int:
    """Return a 63-bit seed, derived from `seed` for the one use that `labels` name.

    >>> derive(0, "partition", "iid") == derive(0, "partition", "iid") != derive(0, "partition", "shards")
    True
    """
    text = "/".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def splitmix64(seed: int, count: int) -> NDArray[np.uint64]:
    """Return the first `count` outputs of SplitMix64 started at `seed`, shape [count]."""
    z = np.uint64(seed) + _GAMMA * np.arange(1, count + 1, dtype=np.uint64)
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class Sample:
    """`count` of the rows 0 .. population-1, drawn from a seed: a few bytes on the wire, whatever the count.

    >>> Sample(seed=1, count=4, population=100).draw()
    array([28, 66, 67, 98])
    """

    seed: int
    count: int
    population: int

    def draw(self) -> NDArray[np.int64]:
        """Return the rows, ascending, shape [count].

        Row i gets output i of SplitMix64 as its ticket, and the rows with the `count` lowest (ticket, row) are drawn:
        uniformly, without replacement, and the same in any language. The array is shared, and cannot be written to.
        """
        return _draw(self)


@lru_cache(maxsize=8)  # a round's rows are named in each of its messages, and drawing sorts the whole population
def _draw(sample: Sample) -> NDArray[np.int64]:
    tickets = splitmix64(sample.seed, sample.population)
    winners = np.argsort(tickets, kind="stable")[: sample.count]
    rows: NDArray[np.int64] = np.sort(winners).astype(np.int64)
    rows.flags.writeable = False
    return rows


def choose(seed: int, names: list[str], count: int) -> list[str]:
    """Return `count` of `names`, sorted; the choice depends on the set of names, never on their order.

    >>> choose(3, ["c", "a", "b"], 2) == choose(3, ["b", "c", "a"], 2)
    True
    """
    ranked = sorted(names, key=lambda name: (derive(seed, name), name))
    return sorted(ranked[:count])
