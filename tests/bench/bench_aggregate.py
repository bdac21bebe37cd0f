"""Aggregating 100 uplinks of 1,000 x 10 soft labels: exact sums against a Python loop a sample; and memory by clients.

`python tests/bench/bench_aggregate.py [--uplinks 100] [--rows 1000] [--classes 10]`
"""

import argparse
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.kinds import Kind
from limbeck_common.methods.dsfl import DSFL

Labels = NDArray[np.float32]


def uplinks(count: int, rows: int, classes: int) -> Iterator[Block]:
    """Yield blocks of random soft labels, one at a time."""
    random = np.random.default_rng(0)
    for _ in range(count):
        values = random.random((rows, classes), np.float32)
        yield soft_labels(Rows(np.arange(rows)), values / values.sum(axis=1, keepdims=True))


def exactly(blocks: Iterator[Block], rows: int, classes: int) -> Labels:
    """Aggregate as the coordinator does."""
    tally = Tally(np.arange(rows), (classes,), Kind.PROBABILITIES)
    for block in blocks:
        tally.add(block)
    return np.concatenate([DSFL().sharpen(mean).astype(np.float32) for mean in tally.means()])


def a_sample_at_a_time(blocks: Iterator[Block], rows: int, classes: int) -> Labels:  # noqa: ARG001 - the same signature
    """Aggregate as the usual tutorial does: a list of arrays for each sample, then its mean and its softmax."""
    by_row: dict[int, list[Labels]] = defaultdict(list)
    for block in blocks:
        for index, label in zip(block.rows, block.array[:], strict=True):
            by_row[int(index)].append(label)
    sharpened = []
    for labels in by_row.values():
        powers = np.exp(np.mean(np.stack(labels), axis=0) / 0.1)
        sharpened.append(powers / powers.sum())
    return np.stack(sharpened)


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """Return the shortest of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def peak_megabytes(count: int, rows: int, classes: int) -> float:
    """Return the peak of memory while `count` uplinks come one at a time."""
    tracemalloc.start()
    exactly(uplinks(count, rows, classes), rows, classes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    """Measure and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("uplinks", 100), ("rows", 1000), ("classes", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    blocks = list(uplinks(given.uplinks, given.rows, given.classes))
    shape = (given.rows, given.classes)
    ours = best_of(20, lambda: exactly(iter(blocks), *shape))
    loop = best_of(3, lambda: a_sample_at_a_time(iter(blocks), *shape))
    difference = np.abs(exactly(iter(blocks), *shape) - a_sample_at_a_time(iter(blocks), *shape)).max()
    print(f"{given.uplinks} uplinks of {given.rows} x {given.classes}, largest difference {difference:.1e}")
    print(f"exact sums {1e3 * ours:8.2f} ms   a sample at a time {1e3 * loop:8.1f} ms   ratio {loop / ours:.0f}x")
    few, many = (peak_megabytes(count, *shape) for count in (10, 1000))
    print(f"peak memory: 10 clients {few:.2f} MB, 1,000 clients {many:.2f} MB")


if __name__ == "__main__":
    main()
