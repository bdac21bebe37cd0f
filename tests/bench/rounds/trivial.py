"""A client whose model predicts without training, on rows that need no file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.recipe import Distill, Fit
from limbeck_common.datasets.examples import Examples, ParticipantData

CLASSES, OPEN_ROWS = 10, 10_000


class Trivial:
    """Trains nothing."""

    def fit(self, examples: Examples, recipe: Fit) -> None:
        pass

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill) -> None:
        pass

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return np.full((len(x), CLASSES), 1 / CLASSES, np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        pass


def learner(seed: int) -> Trivial:  # noqa: ARG001 - its name is the contract
    return Trivial()


def data(part: int | None, seed: int) -> ParticipantData:  # noqa: ARG001 - its name is the contract
    private = None if part is None else Examples(np.zeros((10, 1), np.float32), np.arange(10) % CLASSES)
    return ParticipantData(private=private, open=np.zeros((OPEN_ROWS, 1), np.float32))
