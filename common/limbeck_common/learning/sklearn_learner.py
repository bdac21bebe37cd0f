"""A learner over any estimator with scikit-learn's interface: forests, boosted trees, linear models."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.core.spec import Output
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import LearnerState


class SklearnLearner:
    """Refits `estimator` from scratch on the private rows and the last aggregate together.

    For classification it needs `fit(x, y, sample_weight)` and `predict_proba`. A soft label enters as one row per
    class, weighted by its probability; probabilities of a tenth of uniform or less are left out. For regression it
    needs `fit(x, y, sample_weight)` and `predict`. Of the recipe only `alpha` has an effect.

    >>> from sklearn.naive_bayes import GaussianNB
    >>> learner = SklearnLearner(GaussianNB(), Output(width=2))
    >>> learner.fit(Examples(np.array([[0.0], [0.1], [0.9], [1.0]]), np.array([0, 0, 1, 1])), Fit())
    >>> learner.predict(np.array([[0.2], [0.8]])).round()
    array([[1., 0.],
           [0., 1.]], dtype=float32)

    Raises:
        UserCodeError: the estimator has no such functions, or the task is another one.
    """

    def __init__(self, estimator: Any, output: Output) -> None:
        self.estimator = estimator
        self.output = output
        self._classifies = output.task == "classification"
        wanted = "predict_proba" if self._classifies else "predict"
        if output.task == "multilabel" or output.shape or not hasattr(estimator, wanted):
            raise UserCodeError(
                f"the estimator {type(estimator).__name__} cannot take part in {output.task} of shape "
                f"{list(output.row_shape)}",
                expected=f"an estimator with fit and {wanted}, and one prediction per row",
                remedy="bring a torch model, or an object with Learner's functions",
            )
        self._examples: Examples | None = None
        self._aggregate: tuple[NDArray[Any], NDArray[np.float32]] | None = None
        self._seen = np.zeros(0, np.int64)  # the classes of the last fit; the estimator knows them as 0, 1, 2 ...
        self._fitted = False

    def fit(self, examples: Examples, recipe: Fit) -> None:
        """Train on the private rows and the last aggregate; see `Learner`."""
        self._examples = examples
        self._refit()

    def distill(
        self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill, truth: NDArray[Any] | None = None
    ) -> None:
        """Learn from an aggregate, which replaces the last one; see `Learner`. `truth` are the rows' labels."""
        if truth is not None:
            known = np.eye(self.output.width, dtype=np.float32)[truth] if self._classifies else truth
            labels = (recipe.alpha * labels + (1 - recipe.alpha) * known).astype(np.float32)
        self._aggregate = (_flat(x), labels)
        self._refit()

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return predictions, shape [rows, width]: 0 for a class never seen; before training uniform, or zeros."""
        rows, width = len(x), self.output.width
        if not self._fitted:
            return np.full((rows, width), 1 / width if self._classifies else 0, np.float32)
        if not self._classifies:
            return np.asarray(self.estimator.predict(_flat(x)), np.float32).reshape(rows, width)
        probabilities = np.zeros((rows, width), np.float32)
        if len(self._seen) == 1:
            probabilities[:, self._seen] = 1
        else:
            probabilities[:, self._seen] = self.estimator.predict_proba(_flat(x))
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

    def fitted(self) -> tuple[Any, NDArray[np.int64]]:
        """Return the fitted estimator, and the classes that it knows as 0, 1, 2 ...: what prediction needs."""
        return self.estimator, self._seen

    def load_fitted(self, estimator: Any, seen: NDArray[np.int64]) -> None:
        """Predict with what `fitted` returned."""
        self.estimator, self._seen, self._fitted = estimator, seen, True

    def _refit(self) -> None:
        x, y, weights = [], [], []
        if self._examples is not None:
            x.append(_flat(self._examples.x))
            y.append(np.asarray(self._examples.y))
            weights.append(np.ones(len(x[0])))
        if self._aggregate is not None:
            rows, labels, shares = self._distilled(*self._aggregate)
            x.append(rows)
            y.append(labels)
            weights.append(shares)
        targets = np.concatenate(y)
        if self._classifies:
            # Boosted trees take only classes without gaps, and at least two of them.
            self._seen, targets = np.unique(targets, return_inverse=True)
        elif self.output.width == 1:
            targets = targets.reshape(-1)
        if not self._classifies or len(self._seen) > 1:
            self.estimator.fit(np.concatenate(x), targets, sample_weight=np.concatenate(weights))
        self._fitted = True

    def _distilled(
        self, x: NDArray[Any], labels: NDArray[np.float32]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return an aggregate's rows, their labels and their weights."""
        if not self._classifies:
            return x, labels, np.ones(len(x))
        rows, classes = np.nonzero(labels > 1 / (10 * self.output.width))
        return x[rows], classes, labels[rows, classes].astype(np.float64)


def _flat(x: NDArray[Any]) -> NDArray[Any]:
    return x.reshape(len(x), -1)
