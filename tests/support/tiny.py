"""A tiny learner and tiny data, which need NumPy alone: a process that uses them starts in a fraction of a second."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.datasets.examples import Examples, ParticipantData

CLASSES, FEATURES = 3, 6


class Softmax:
    """Softmax regression by full-batch gradient descent."""

    def __init__(self, seed: int) -> None:
        self.weights = np.random.default_rng(seed).normal(size=(FEATURES, CLASSES)) * 0.1

    def fit(self, examples: Examples, recipe: Fit) -> None:
        self._train(examples.x, np.eye(CLASSES)[examples.y], recipe.epochs)

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
        self._train(x, labels.astype(np.float64), recipe.epochs)

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        scores = np.exp(x.astype(np.float64) @ self.weights)
        probabilities: NDArray[np.float32] = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities

    def state(self) -> dict[str, NDArray[Any]]:
        return {"weights": self.weights}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        self.weights = state["weights"]

    def _train(self, x: NDArray[Any], targets: NDArray[np.float64], epochs: int) -> None:
        for _ in range(epochs):
            self.weights -= 0.1 * x.T.astype(np.float64) @ (self.predict(x) - targets) / len(x)


def learner(seed: int) -> Softmax:
    return Softmax(seed)


def data(part: int | None, seed: int) -> ParticipantData:
    """Three Gaussian clouds; each client sees its own rows of them."""
    centres = np.random.default_rng(seed).normal(size=(CLASSES, FEATURES)) * 2

    def draw(rows: int, number: int) -> Examples:
        random = np.random.default_rng((seed, number))
        y = random.integers(CLASSES, size=rows)
        return Examples((centres[y] + random.normal(size=(rows, FEATURES))).astype(np.float32), y.astype(np.int64))

    private = None if part is None else draw(40, 10 + part)
    return ParticipantData(private=private, open=draw(60, 1).x, test=draw(50, 2))
