"""A learner over any scikit-learn classifier that takes sample weights and predicts probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.spec import Recipe
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import LearnerState


class SklearnLearner:
    """Refits `estimator` from scratch on the private rows and the last aggregate together.

    A soft label enters as one row per class, weighted by its probability; probabilities of a tenth of uniform or less
    are left out. The recipe's epochs and learning rates have no effect. `estimator` needs `fit(x, y, sample_weight)`,
    `predict_proba` and `classes_`.

    >>> from sklearn.naive_bayes import GaussianNB
    >>> learner = SklearnLearner(GaussianNB(), classes=2)
    >>> learner.fit(Examples(np.array([[0.0], [0.1], [0.9], [1.0]]), np.array([0, 0, 1, 1])), Recipe())
    >>> learner.predict(np.array([[0.2], [0.8]])).round()
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(self, estimator: Any, classes: int) -> None:
        self.estimator = estimator
        self.classes = classes
        self._examples: Examples | None = None
        self._aggregate: tuple[NDArray[Any], NDArray[np.float32]] | None = None
        self._fitted = False

    def fit(self, examples: Examples, recipe: Recipe) -> None:
        """Train on the private rows and the last aggregate; see `Learner`."""
        self._examples = examples
        self._refit()

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Recipe) -> None:
        """Learn from an aggregate, which replaces the last one; see `Learner`."""
        self._aggregate = (_flat(x), labels)
        self._refit()

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return class probabilities, shape [rows, classes]: 0 for a class never seen, uniform before training."""
        if not self._fitted:
            return np.full((len(x), self.classes), 1 / self.classes, np.float32)
        probabilities = np.zeros((len(x), self.classes), np.float32)
        probabilities[:, self.estimator.classes_] = self.estimator.predict_proba(_flat(x))
        return probabilities

    def remember(self, examples: Examples) -> None:
        """Take the private rows of the last fit before a restart; see `Refitter`."""
        self._examples = examples

    def state(self) -> LearnerState:
        """Return the last aggregate: together with the rows that `remember` takes, all that a refit needs."""
        if self._aggregate is None:
            return {}
        return {"taught.x": self._aggregate[0], "taught.labels": self._aggregate[1]}

    def load_state(self, state: LearnerState) -> None:
        """Continue from what `state` returned."""
        if state:
            self._aggregate = (state["taught.x"], state["taught.labels"].astype(np.float32))
            self._refit()

    def _refit(self) -> None:
        x, y, weights = [], [], []
        if self._examples is not None:
            x.append(_flat(self._examples.x))
            y.append(self._examples.y)
            weights.append(np.ones(len(self._examples.y)))
        if self._aggregate is not None:
            rows, labels = np.nonzero(self._aggregate[1] > 1 / (10 * self.classes))
            x.append(self._aggregate[0][rows])
            y.append(labels)
            weights.append(self._aggregate[1][rows, labels].astype(np.float64))
        self.estimator.fit(np.concatenate(x), np.concatenate(y), sample_weight=np.concatenate(weights))
        self._fitted = True


def _flat(x: NDArray[Any]) -> NDArray[Any]:
    return x.reshape(len(x), -1)
