"""Hostile clients, as `--model support.attackers:NAME`: a small network whose training or predictions are bent."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import Learner, LearnerState
from limbeck_common.runtime.make_learner import make_learner


class Honest:
    """What the others do; it takes bytes as MNIST has them."""

    def __init__(self, classes: int, sample_shape: tuple[int, ...], seed: int) -> None:
        spec = Spec(
            output=Output(width=classes),
            sample_shape=sample_shape,
            sample_dtype="|u1",
            open_rows=1,
            input_mean=(0.13,),
            input_std=(0.31,),
        )
        self.classes = classes
        self.learner: Learner = make_learner("cnn", spec, seed, "cpu")

    def fit(self, examples: Examples, recipe: Fit) -> None:
        self.learner.fit(examples, recipe)

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
        self.learner.distill(x, labels, recipe)

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return self.learner.predict(x)

    def state(self) -> LearnerState:
        return self.learner.state()

    def load_state(self, state: LearnerState) -> None:
        self.learner.load_state(state)


class LabelFlip(Honest):
    """Trains on class c as if it were classes - 1 - c, and learns nothing from the others."""

    def fit(self, examples: Examples, recipe: Fit) -> None:
        super().fit(Examples(examples.x, self.classes - 1 - examples.y), recipe)

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
        """Stay as it is."""


class LeastLikely(Honest):
    """Is sure of the class that it holds for the least likely."""

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return np.eye(self.classes, dtype=np.float32)[super().predict(x).argmin(axis=1)]


class Permutation(Honest):
    """Says of each class what it thinks of the one before."""

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return np.roll(super().predict(x), 1, axis=1)


label_flip, least_likely, permutation = LabelFlip, LeastLikely, Permutation
