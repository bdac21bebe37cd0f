"""A robust aggregate and the clients' disagreement, beside the plain mean of the same uplinks from the same store.

`python tests/bench/bench_robust.py [--clients 1000] [--repeats 3]`: 1,000 rows of 10 classes per client.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from targets import add

from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.methods.registry import make_method
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.open_round import History
from limbeck_server.storage.protocols import StoredParts
from limbeck_server.storage.sqlite import SqliteStore

ROWS, CLASSES = 1000, 10


def round_of(store: SqliteStore, robust: str) -> RoundAggregator:
    method = MethodSpec(name="dsfl", options={"open_per_round": ROWS, "robust": robust})
    spec = Spec(
        rounds=1,
        output=Output(width=CLASSES),
        sample_shape=(1,),
        sample_dtype="|u1",
        open_rows=10 * ROWS,
        method=method,
    )
    history = History(spec, {}, lambda _number, _audience: None)
    return RoundAggregator(make_method(method), history, 1, lambda: store.uplinks(1), store.collect)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder), flushes=False)
        robust, plain = round_of(store, "median"), round_of(store, "none")
        rows: Rows = plain.round.plan["labels"].rows
        generator = np.random.default_rng(0)
        for number in range(options.clients):
            values = generator.dirichlet(np.ones(CLASSES), ROWS).astype(np.float32)
            parts = {"labels": soft_labels(rows, values)}
            store.commit([], [StoredParts(1, f"client-{number:05}", parts)])
            for aggregator in (robust, plain):
                aggregator.add(parts, "")
        medians = [seconds(robust.aggregate) for _ in range(options.repeats)]
        apart = statistics.median(seconds(plain.disagreement) for _ in range(options.repeats))
        mean = statistics.median(seconds(plain.aggregate) for _ in range(options.repeats))
        store.close()
    median = statistics.median(medians)
    add(f"median of {options.clients} clients x {ROWS} rows x {CLASSES}", medians, 2, "s")
    print(
        f"{options.clients} clients: median {median:.2f} s, disagreement {apart:.2f} s, "
        f"exact mean {1e3 * mean:.1f} ms: {median / mean:.0f} times"
    )


if __name__ == "__main__":
    main()
