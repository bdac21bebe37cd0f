"""Memory of training and distilling on rows in a file, beside the same rows in memory: each in a process of its own."""

import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.datasets.row_view import RowView
from limbeck_common.runtime.make_learner import make_learner

ROWS, SHAPE, CLASSES = 100_000, (3, 32, 32), 10
BYTES = ROWS * 3072
MEBIBYTE = 1 << 20


def peak() -> int:
    """Return the most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(path: Path, *, mapped: bool) -> None:
    """Train and distil once, and print by how many MiB the process grew."""
    rows = np.memmap(path, np.uint8, "r", shape=(ROWS, *SHAPE))
    y = np.arange(ROWS) % CLASSES
    spec = Spec(output=Output(width=CLASSES), sample_shape=SHAPE, sample_dtype="|u1", open_rows=ROWS)
    learner = make_learner("mlp", spec, 1, "cpu")
    learner.fit(Examples(np.zeros((100, *SHAPE), np.uint8), y[:100]), Fit(epochs=1))  # what torch takes in any case
    before = peak()
    x = rows if mapped else np.array(rows)
    learner.fit(Examples(x, y), Fit(epochs=1, batch_size=500))
    labels = np.full((ROWS // 10, CLASSES), 1 / CLASSES, np.float32)
    places = np.arange(0, ROWS, 10)
    learner.distill(RowView(x, places) if mapped else x[places], labels, Distill(epochs=1, batch_size=500))
    print((peak() - before) // MEBIBYTE)


def main() -> int:
    if len(sys.argv) > 1:
        work(Path(sys.argv[1]), mapped=sys.argv[2] == "mapped")
        return 0
    grown = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        random = np.random.default_rng(0)
        with path.open("wb") as file:
            for _ in range(0, ROWS, 1000):
                file.write(random.integers(0, 256, (1000, 3072)).astype(np.uint8).tobytes())
        for how in ("mapped", "loaded"):
            done = subprocess.run(
                [sys.executable, __file__, str(path), how], capture_output=True, text=True, check=True
            )
            grown[how] = int(done.stdout)
    print(
        f"{BYTES // MEBIBYTE} MiB of rows: a process grows by {grown['mapped']} MiB where they are a memory map, "
        f"pages of the file included, and by {grown['loaded']} MiB where they are loaded"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
