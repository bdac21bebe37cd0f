"""Training on a CUDA device: bfloat16 beside float32, and whether a learner goes on from its state bit for bit."""

import sys
import time

import numpy as np
import torch

from limbeck_common.core.recipe import Distill, Fit, Recipe
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import Learner
from limbeck_common.runtime.make_learner import make_learner

ROWS, SHAPE, CLASSES = 10_000, (3, 32, 32), 10


def spec(*, mixed: bool) -> Spec:
    recipe = Recipe(mixed_precision=mixed)
    return Spec(output=Output(width=CLASSES), sample_shape=SHAPE, sample_dtype="|u1", open_rows=1, recipe=recipe)


def examples() -> Examples:
    """Return images of noise with a bright row, which is the class."""
    random = np.random.default_rng(0)
    y = random.integers(0, CLASSES, ROWS)
    x = random.integers(0, 120, (ROWS, *SHAPE)).astype(np.uint8)
    x[np.arange(ROWS), :, 3 * y] += 90
    return Examples(x, y)


def seconds(learner: Learner, rows: Examples, fit: Fit) -> float:
    learner.fit(rows, fit)
    torch.cuda.synchronize()
    began = time.monotonic()
    learner.fit(rows, fit)
    torch.cuda.synchronize()
    return time.monotonic() - began


def main() -> int:
    if not torch.cuda.is_available():
        print("no CUDA device: nothing to measure")
        return 0
    rows = examples()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {ROWS} images of 3 x 32 x 32, 2 epochs")
    for model, size in (("resnet8", 256), ("resnet18", 256)):
        took, accuracy = {}, {}
        for mixed in (False, True):
            learner = make_learner(model, spec(mixed=mixed), 1, "cuda")
            fit = Fit(epochs=2, batch_size=size, optimizer="adamw", learning_rate=0.001, augment="none")
            took[mixed] = seconds(learner, rows, fit)
            accuracy[mixed] = (learner.predict(rows.x).argmax(axis=1) == rows.y).mean()
        print(
            f"{model}: float32 {took[False]:.2f} s, bfloat16 {took[True]:.2f} s: {took[True] / took[False]:.2f} of it; "
            f"accuracy {accuracy[False]:.3f} and {accuracy[True]:.3f}"
        )
    flipped = make_learner("resnet8", spec(mixed=False), 1, "cuda")
    plain, changed = (
        seconds(flipped, rows, Fit(epochs=1, batch_size=256, augment=each)) for each in ("none", "flip_crop")
    )
    print(f"flip_crop takes {changed / plain:.2f} times as long")
    whole, again = (make_learner("resnet8", spec(mixed=True), 1, "cuda") for _ in range(2))
    labels = np.full((500, CLASSES), 1 / CLASSES, np.float32)
    whole.fit(rows, Fit(epochs=1, batch_size=256, optimizer="adam", learning_rate=0.001))
    again.load_state(whole.state())
    for each in (whole, again):
        each.distill(rows.x[:500], labels, Distill(epochs=1, temperature=2.0))
    same = np.array_equal(whole.scores(rows.x[:500]), again.scores(rows.x[:500]))
    print(f"from its state a learner goes on with {'the same bits' if same else 'other bits'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
