"""What a model must offer to take part: it learns from labels and soft labels, and predicts class probabilities."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import OutputError
from limbeck_common.core.spec import Recipe
from limbeck_common.datasets.examples import Examples

LearnerState = dict[str, NDArray[Any]]
"""All that a learner needs to continue after a restart, as named arrays."""

Penalty = Callable[[Any, Any, Any, Any], Any]
"""What a method adds to a batch's loss: from (module, inputs, labels, logits), all torch, to a scalar tensor."""


class Learner(Protocol):
    """A model with its training. Arrays go in and come out: no framework crosses this line.

    >>> class Majority:
    ...     "Predicts the class shares of the private rows, whatever the input."
    ...
    ...     def __init__(self, classes: int) -> None:
    ...         self.shares = np.full(classes, 1 / classes, np.float32)
    ...
    ...     def fit(self, examples: Examples, recipe: Recipe) -> None:
    ...         counts = np.bincount(examples.y, minlength=len(self.shares))
    ...         self.shares = (counts / counts.sum()).astype(np.float32)
    ...
    ...     def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Recipe) -> None:
    ...         self.shares = (self.shares + labels.mean(axis=0)) / 2
    ...
    ...     def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
    ...         return np.tile(self.shares, (len(x), 1))
    ...
    ...     def state(self) -> LearnerState:
    ...         return {"shares": self.shares}
    ...
    ...     def load_state(self, state: LearnerState) -> None:
    ...         self.shares = state["shares"]
    >>> learner: Learner = Majority(classes=2)
    >>> learner.fit(Examples(np.zeros((4, 1)), np.array([0, 1, 1, 1])), Recipe())
    >>> learner.predict(np.zeros((1, 1)))
    array([[0.25, 0.75]], dtype=float32)
    """

    def fit(self, examples: Examples, recipe: Recipe) -> None:
        """Train on labelled rows for `recipe.local_epochs`, continuing from where the last call stopped."""

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Recipe) -> None:
        """Train towards soft labels, shape [rows, classes], for `recipe.distill_epochs`."""

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return class probabilities, shape [rows, classes]."""

    def state(self) -> LearnerState:
        """Return all that is needed to continue after a restart, including random state, as named arrays."""

    def load_state(self, state: LearnerState) -> None:
        """Continue from what `state` returned."""


@runtime_checkable
class Refitter(Protocol):
    """A learner that starts from scratch at each fit, and so needs its private rows again after a restart."""

    def remember(self, examples: Examples) -> None:
        """Take the labelled rows of the last fit before the restart."""


@runtime_checkable
class WeightLearner(Learner, Protocol):
    """A learner whose weights can be read and set, and whose loss can be extended: some methods need these."""

    def fit(self, examples: Examples, recipe: Recipe, penalty: Penalty | None = None) -> None:
        """Train as `Learner.fit` does; the loss of each batch is cross-entropy plus the penalty."""

    def scores(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return class scores before the softmax, shape [rows, classes]."""

    def parameters(self) -> LearnerState:
        """Return the model's parameters and running averages, float32, by name."""

    def frozen(self) -> Callable[[Any], Any]:
        """Return the model as it is now, as a function of a penalty's inputs to logits, [rows, classes], both torch.

        Its weights never change; gradients pass through it to the inputs.
        """

    def load_parameters(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set what `parameters` returned, for this or another learner of the same model."""


def check_shape(probabilities: NDArray[np.float32], rows: int, classes: int) -> None:
    """Check that predictions have the shape [rows, classes].

    Raises:
        OutputError: they have another one.
    """
    if probabilities.shape != (rows, classes):
        raise OutputError(
            f"the learner predicts an array of shape {list(probabilities.shape)}",
            expected=f"[{rows}, {classes}]: one row per open row, one column per class",
            remedy=f"give the model {classes} outputs",
        )
