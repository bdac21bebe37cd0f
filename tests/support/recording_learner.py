"""A participant whose learner remembers what it was asked, and predicts what a test says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.learner import LearnerState
from limbeck_common.learning.participant import Participant


class Recording:
    """A learner of any framework: `asked` are the calls of `fit` and `distill` with what they were given."""

    def __init__(self, probabilities: NDArray[Any]) -> None:
        self.probabilities = probabilities.astype(np.float32)
        self.asked: list[tuple[str, NDArray[Any], NDArray[Any]]] = []
        self.temperatures: list[float] = []

    def fit(self, examples: Examples, recipe: Fit) -> None:  # noqa: ARG002
        self.asked.append(("fit", examples.x, examples.y))

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
        self.asked.append(("distill", x, labels))
        self.temperatures.append(recipe.temperature)

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Predict by the first value of a row: it says which of the `probabilities`."""
        return self.probabilities[x.reshape(len(x), -1)[:, 0].astype(int)]

    def state(self) -> LearnerState:
        return {}

    def load_state(self, state: LearnerState) -> None:
        raise NotImplementedError


def recording(spec: Spec, probabilities: NDArray[Any], **data: Any) -> tuple[Participant, Recording]:
    learner = Recording(probabilities)
    return Participant(spec, learner, ParticipantData(**data)), learner
