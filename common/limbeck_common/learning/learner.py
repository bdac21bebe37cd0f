"""What a model can offer to a federation: capabilities, one small protocol each.

To predict is enough to take part, as a black box. Everything else is asked for by the methods that need it: see
`Method.needs`.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import OutputError, UserCodeError
from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.datasets.examples import Examples

LearnerState = dict[str, NDArray[Any]]
"""All that a learner needs to continue after a restart, as named arrays."""

Loss = Callable[[Any], Any]
"""What a method minimises in place of a task's own loss: from a batch, `torch_learner.Step`, to a scalar tensor."""


class Predictor(Protocol):
    """A model that predicts: an ONNX file, an endpoint, a set of rules. Arrays go in and come out.

    >>> class Rule:
    ...     "Finds a row positive whose first value is above 0."
    ...
    ...     def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
    ...         return np.eye(2, dtype=np.float32)[(x[:, 0] > 0).astype(int)]
    >>> rule: Predictor = Rule()
    >>> rule.predict(np.array([[-1.0], [2.0]]))
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return predictions, shape [rows, *row_shape]: class probabilities, memberships, or numbers."""


@runtime_checkable
class Learner(Predictor, Protocol):
    """A model with its training. No framework crosses this line.

    >>> class Majority:
    ...     "Predicts the class shares of the private rows, whatever the input."
    ...
    ...     def __init__(self, classes: int) -> None:
    ...         self.shares = np.full(classes, 1 / classes, np.float32)
    ...
    ...     def fit(self, examples: Examples, recipe: Fit) -> None:
    ...         counts = np.bincount(examples.y, minlength=len(self.shares))
    ...         self.shares = (counts / counts.sum()).astype(np.float32)
    ...
    ...     def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
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
    >>> learner.fit(Examples(np.zeros((4, 1)), np.array([0, 1, 1, 1])), Fit())
    >>> learner.predict(np.zeros((1, 1)))
    array([[0.25, 0.75]], dtype=float32)
    """

    def fit(self, examples: Examples, recipe: Fit) -> None:
        """Train on labelled rows for `recipe.epochs`, continuing from where the last call stopped."""

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
        """Train towards predictions, shape [rows, *row_shape], for `recipe.epochs`."""

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
class BatchReader(Protocol):
    """A learner that reads a batch at a time: `fit` and `distill` may get rows that are not an array in memory."""

    reads_batches: bool


@runtime_checkable
class Scorer(Protocol):
    """A learner that has scores before the softmax."""

    def scores(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return scores, shape [rows, *row_shape]."""


@runtime_checkable
class LossTaker(Protocol):
    """A learner whose loss a method can replace, and that can be trained beside others, batch by batch."""

    def fit(
        self, examples: Examples, recipe: Fit, loss: Loss | None = None, beside: Sequence["LossTaker"] = ()
    ) -> None:
        """Train as `Learner.fit` does, on a loss of the method's own.

        The learners `beside` this one see the same batches, and take a step with each of its steps.
        """

    def frozen(self) -> Callable[[Any], Any]:
        """Return the model as it is now, as a function of a batch's inputs to scores, [rows, *row_shape], both torch.

        Its weights never change; gradients pass through it to the inputs.
        """


@runtime_checkable
class WeightLearner(Scorer, LossTaker, Learner, Protocol):
    """A learner whose weights can be read and set."""

    def parameters(self) -> LearnerState:
        """Return the model's parameters and running averages, float32, by name."""

    def load_parameters(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set what `parameters` returned, for this or another learner of the same model."""


@runtime_checkable
class Featured(LossTaker, Protocol):
    """A learner whose model has a body and a head: features are what the head is given."""

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return features, shape [rows, width]."""

    def head(self) -> LearnerState:
        """Return the head's parameters by name, float32."""

    def load_head(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set what `head` returned."""


class Capability(StrEnum):
    """What a method may need of every participant's learner. All can predict.

    >>> Capability("weights") in frozenset({Capability.LOSSES, Capability.WEIGHTS})
    True
    """

    LOSSES = "losses"
    WEIGHTS = "weights"
    FEATURES = "features"


_PROTOCOLS: dict[Capability, tuple[type, str]] = {
    Capability.LOSSES: (LossTaker, "a torch model"),
    Capability.WEIGHTS: (WeightLearner, "a torch model"),
    Capability.FEATURES: (Featured, "a torch model with a body and a head"),
}


def check_capabilities(learner: object, needs: frozenset[Capability], method: str) -> None:
    """Check that a learner can do what a method needs.

    Raises:
        UserCodeError: it cannot; the error names what is missing.
    """
    for need, (protocol, what) in _PROTOCOLS.items():
        if need in needs and not isinstance(learner, protocol):
            raise UserCodeError(
                f"method {method} needs {need} of every learner, which {type(learner).__name__} does not offer",
                expected=what,
                remedy="bring such a model, or take a method that needs predictions alone, such as dsfl",
            )


def check_shape(predictions: NDArray[np.float32], rows: int, row_shape: tuple[int, ...]) -> None:
    """Check that predictions have the shape [rows, *row_shape].

    Raises:
        OutputError: they have another one.
    """
    if predictions.shape != (rows, *row_shape):
        raise OutputError(
            f"the learner predicts an array of shape {list(predictions.shape)}",
            expected=f"{[rows, *row_shape]}: one row per open row, one column per output",
            remedy=f"give the model {row_shape[-1]} outputs",
        )
