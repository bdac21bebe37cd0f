"""The largest labels per row alone (`method.options.top`), beside all of them: bytes, seconds and memory on the server.

`python tests/bench/bench_sparse.py [--clients 3] [--rows 10000] [--k 64]`

For 1,000 and for 150,000 classes: an uplink's bytes; seconds to check its values, to add it up, and to make the round's
aggregate of DS-FL; and the peak of memory beyond the uplinks themselves. Dense labels of 150,000 classes do not fit.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from limbeck_common.core.arrays.encoded_rows import SparseRows
from limbeck_common.core.arrays.encodings import Top
from limbeck_common.core.arrays.tensors import nbytes, slices
from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.kinds import Kind
from limbeck_common.core.sparse_sums import SparseTally
from limbeck_common.methods.dsfl import era


def sparse(seed: int, rows: int, width: int, k: int) -> Block:
    """Return random labels of which each row has k."""
    random = np.random.default_rng(seed)
    first = random.integers(0, width - k * (width // (2 * k)), (rows, 1))
    columns = first + np.arange(k) * (width // (2 * k))  # apart, ascending, others for each row
    values = random.dirichlet(np.ones(k), rows) * 0.9
    dtype = Top(k).layout(1, (width,))[0][0]
    return soft_labels(Rows(np.arange(rows)), SparseRows(columns.astype(dtype), values.astype(np.float16), width))


def dense(block: Block) -> Block:
    """Return the same labels, all of them."""
    return soft_labels(Rows(block.rows), block.array[:])


def timed(label: str, began: float) -> str:
    """Return a label with the seconds since."""
    return f"{label} {time.perf_counter() - began:6.2f} s"


def aggregated(tally: Tally | SparseTally, encoding: Top | None) -> Iterator[int]:
    """Yield the bytes of each slice of DS-FL's aggregate, made and dropped as the store takes it."""
    for mean in tally.means():
        labels = era(mean, 0.1)
        yield nbytes(labels.astype(np.float32) if encoding is None else encoding.encode(labels, Kind.PROBABILITIES))


def run(name: str, blocks: list[Block], make: Callable[[], Tally | SparseTally], encoding: Top | None) -> None:
    """Measure one way, and print a line."""
    tracemalloc.start()
    tally = make()
    began = time.perf_counter()
    for start, part in slices(blocks[0].array):
        Kind.PROBABILITIES.check(part, start)
    said = [timed("check", began)]
    began = time.perf_counter()
    for block in blocks:
        tally.add(block)
    said.append(timed(f"add {len(blocks)}", began))
    began = time.perf_counter()
    down = sum(aggregated(tally, encoding))
    said.append(timed("aggregate", began))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    up = nbytes(blocks[0].array)
    print(
        f"{name:14} uplink {up / 1e6:9.2f} MB, aggregate {down / 1e6:9.2f} MB; {', '.join(said)}; {peak / 1e6:6.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("clients", 3), ("rows", 10_000), ("k", 64)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    keys = np.arange(given.rows)
    for width in (1000, 150_000):
        blocks = [sparse(seed, given.rows, width, given.k) for seed in range(given.clients)]
        print(f"{given.rows} rows of {width} classes, {given.k} per row, {given.clients} clients")
        run("the largest", blocks, partial(SparseTally, keys, width, Kind.PROBABILITIES), Top(given.k))
        if width * given.rows < 1 << 25:
            run("all", list(map(dense, blocks)), partial(Tally, keys, (width,), Kind.PROBABILITIES), None)


if __name__ == "__main__":
    main()
