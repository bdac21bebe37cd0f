"""A learner that is not torch: any scikit-learn classifier that takes sample weights and predicts probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.spec import Recipe
from limbeck_common.datasets.registry import Examples
from limbeck_common.learning.learner import LearnerState


class SklearnLearner:
    """Refits `estimator` from the start on the private rows and the last aggregate together.

    A soft label enters as one row a class, weighted by its probability. Epochs and learning rates of the recipe mean
    nothing here. `estimator` needs `fit(x, y, sample_weight)`, `predict_proba` and `classes_`.
    """

    def __init__(self, estimator: Any, classes: int) -> None:
        self.estimator = estimator
        self.classes = classes
        self._examples: Examples | None = None
        self._taught: tuple[NDArray[Any], NDArray[np.float32]] | None = None
        self._fitted = False

    def fit(self, examples: Examples, recipe: Recipe) -> None:  # noqa: ARG002 - see the class
        """Train on the private rows and the last aggregate; see `Learner`."""
        self._examples = examples
        self._refit()

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Recipe) -> None:  # noqa: ARG002
        """Learn from an aggregate, which replaces the one before; see `Learner`."""
        self._taught = (_flat(x), labels)
        self._refit()

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return class probabilities, shape [rows, classes]; a class never seen gets 0. Uniform before training."""
        if not self._fitted:
            return np.full((len(x), self.classes), 1 / self.classes, np.float32)
        probabilities = np.zeros((len(x), self.classes), np.float32)
        probabilities[:, self.estimator.classes_] = self.estimator.predict_proba(_flat(x))
        return probabilities

    def remember(self, examples: Examples) -> None:
        """Take the private rows of the last fit; see `Refitter`."""
        self._examples = examples

    def state(self) -> LearnerState:
        """Return the last aggregate: with the rows that `remember` gets, all that a refit needs."""
        if self._taught is None:
            return {}
        return {"taught.x": self._taught[0], "taught.labels": self._taught[1]}

    def load_state(self, state: LearnerState) -> None:
        """Go on from what `state` returned."""
        if state:
            self._taught = (state["taught.x"], state["taught.labels"].astype(np.float32))
            self._refit()

    def _refit(self) -> None:
        x, y, weights = [], [], []
        if self._examples is not None:
            x.append(_flat(self._examples.x))
            y.append(self._examples.y)
            weights.append(np.ones(len(self._examples.y)))
        if self._taught is not None:
            rows, labels = np.nonzero(self._taught[1] > 1 / (10 * self.classes))
            x.append(self._taught[0][rows])
            y.append(labels)
            weights.append(self._taught[1][rows, labels].astype(np.float64))
        self.estimator.fit(np.concatenate(x), np.concatenate(y), sample_weight=np.concatenate(weights))
        self._fitted = True


def _flat(x: NDArray[Any]) -> NDArray[Any]:
    return x.reshape(len(x), -1)


def forest(classes: int, seed: int) -> SklearnLearner:
    """Return a random forest of 100 trees."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - only this learner needs scikit-learn

    return SklearnLearner(RandomForestClassifier(100, random_state=seed % 2**32), classes)
