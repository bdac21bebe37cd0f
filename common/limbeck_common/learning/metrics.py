"""How well a learner predicts labelled rows, by task."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.spec import Output
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import Predictor

_SMALLEST = 1e-12  # of a probability, before its logarithm


def evaluate(learner: Predictor, examples: Examples, output: Output) -> dict[str, float]:
    """Return a learner's metrics on labelled rows; `loss` is in nats, or the mean squared error."""
    predicted = np.asarray(learner.predict(examples.x), np.float64)
    match output.task:
        case "classification":
            return classified(predicted, examples.y)
        case "multilabel":
            return labelled(predicted, examples.y)
        case _:
            return regressed(predicted, examples.y)


def classified(probabilities: NDArray[np.float64], y: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy, balanced accuracy (the mean recall of the classes that occur) and loss.

    `probabilities` have the shape [rows, *shape, classes], `y` [rows, *shape].

    >>> classified(np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]), np.array([0, 0, 1]))["balanced_accuracy"]
    0.5
    """
    flat, y = probabilities.reshape(-1, probabilities.shape[-1]), np.asarray(y).reshape(-1)
    hits = flat.argmax(axis=1) == y
    likelihood = flat[np.arange(len(y)), y]
    recalls = [hits[y == each].mean() for each in np.unique(y)]
    return {
        "accuracy": float(hits.mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "loss": float(-np.log(np.maximum(likelihood, _SMALLEST)).mean()),
    }


def labelled(memberships: NDArray[np.float64], y: NDArray[Any]) -> dict[str, float]:
    """Return the share of right labels, the F1 of all labels together, and the loss; shapes are [rows, *row_shape].

    >>> labelled(np.array([[0.9, 0.6], [0.2, 0.1]]), np.array([[1, 0], [0, 0]]))["accuracy"]
    0.75
    """
    found, true = memberships >= 1 / 2, np.asarray(y) >= 1 / 2
    likelihood = np.where(true, memberships, 1 - memberships)
    return {
        "accuracy": float((found == true).mean()),
        "f1": float(2 * (found & true).sum() / max(1, found.sum() + true.sum())),
        "loss": float(-np.log(np.maximum(likelihood, _SMALLEST)).mean()),
    }


def regressed(values: NDArray[np.float64], y: NDArray[Any]) -> dict[str, float]:
    """Return the root mean squared error, R^2 and the loss; shapes are [rows, *row_shape].

    >>> regressed(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))["r2"]
    -1.0
    """
    wanted = np.asarray(y, np.float64)
    error = float(((values - wanted) ** 2).mean())
    spread = float(((wanted - wanted.mean(axis=0)) ** 2).mean())
    return {"rmse": error**0.5, "r2": 1 - error / max(spread, _SMALLEST), "loss": error}


def balanced_weights(y: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return a weight per class, shape [classes], by which all classes that occur count the same.

    >>> balanced_weights(np.array([0, 0, 0, 1]), classes=3).round(2)
    array([0.67, 2.  , 0.  ], dtype=float32)
    """
    counts = np.bincount(np.asarray(y).reshape(-1), minlength=classes)
    there = np.count_nonzero(counts)
    weights = np.divide(counts.sum(), there * counts, out=np.zeros(classes), where=counts > 0)
    narrow: NDArray[np.float32] = weights.astype(np.float32)
    return narrow
