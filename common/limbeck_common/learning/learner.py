"""The seam a data owner may fill: anything that learns from labels and predicts class probabilities."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import ClassesError
from limbeck_common.core.spec import Recipe
from limbeck_common.datasets.registry import Examples

LearnerState = dict[str, NDArray[Any]]
Penalty = Callable[[Any, Any, Any, Any], Any]
"""What a method adds to a batch's loss: of (module, inputs, labels, logits), torch's each, to a scalar tensor."""


class Learner(Protocol):
    """A model with its training. Arrays in, arrays out: no framework crosses this line."""

    def fit(self, examples: Examples, recipe: Recipe) -> None:
        """Train on labelled rows for `recipe.local_epochs`, going on from where the last call stopped."""

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Recipe) -> None:
        """Train towards soft labels, shape [rows, classes], for `recipe.distill_epochs`."""

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return class probabilities, shape [rows, classes]."""

    def state(self) -> LearnerState:
        """Return all that a restart needs, random state included, as named arrays."""

    def load_state(self, state: LearnerState) -> None:
        """Go on from what `state` returned."""


@runtime_checkable
class Refitter(Protocol):
    """A learner that starts anew at each fit, and so needs its private rows again after a restart."""

    def remember(self, examples: Examples) -> None:
        """Take the labelled rows that the last fit before the restart had."""


@runtime_checkable
class WeightLearner(Learner, Protocol):
    """A learner whose weights can be seen and set, and whose loss can be added to: what some methods need."""

    def fit(self, examples: Examples, recipe: Recipe, penalty: Penalty | None = None) -> None:
        """See `Learner`; the loss of each batch is cross-entropy plus the penalty."""

    def scores(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return class scores before the softmax, shape [rows, classes]."""

    def parameters(self) -> LearnerState:
        """Return the model's parameters and running averages, float32, by name."""

    def frozen(self) -> Callable[[Any], Any]:
        """Return the model as it is now, from inputs as a penalty gets them to logits, [rows, classes], torch's both.

        Its weights never change; gradients pass through it to the inputs.
        """

    def load_parameters(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set what `parameters` returned, of this or another learner of the same model."""


def evaluate(learner: Learner, examples: Examples) -> dict[str, float]:
    """Return the accuracy and the mean negative log-likelihood (nats) on labelled rows."""
    probabilities = learner.predict(examples.x)
    hits = probabilities.argmax(axis=1) == examples.y
    likelihood = probabilities[np.arange(len(examples.y)), examples.y].astype(np.float64)
    return {"accuracy": float(hits.mean()), "loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean())}


def check_shape(probabilities: NDArray[np.float32], rows: int, classes: int) -> None:
    """Check that predictions have a row a sample and a column a class.

    Raises:
        ClassesError: they have not.
    """
    if probabilities.shape != (rows, classes):
        raise ClassesError(
            f"the learner predicts an array of shape {list(probabilities.shape)}",
            expected=f"[{rows}, {classes}]: a row for each open row, a column for each of {classes} classes",
            remedy=f"give the model {classes} outputs",
        )
