"""One party: a learner, the data it may see, and what a method may ask of the two."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck_common.config import Spec
from limbeck_common.errors import DataError, LimbeckError, UserCodeError
from limbeck_common.learning.datasets import PartyData
from limbeck_common.learning.learner import Learner, check_shape, evaluate
from limbeck_common.messages import Block, Rows


@dataclass
class Party:
    """A client, or the server's own model: a party without private data, which only distills."""

    spec: Spec
    learner: Learner
    data: PartyData

    @property
    def open_rows(self) -> NDArray[np.generic]:
        """The open set, shape [open_rows, *sample_shape]."""
        if self.data.open is None:
            raise DataError("this party has no open data", remedy="fetch it from the server first")
        return self.data.open

    def fit(self) -> None:
        """Train on the private rows."""
        if self.data.private is None:
            raise DataError("this party has no private data to train on")
        with _blame("training"):
            self.learner.fit(self.data.private, self.spec.recipe)

    def distill(self, teaching: Block) -> None:
        """Train on the teaching's open rows towards its labels."""
        labels = np.asarray(teaching.predictions[:])
        with _blame("distillation"):
            self.learner.distill(self.open_rows[teaching.rows], labels, self.spec.recipe)

    def predict(self, wanted: Rows) -> NDArray[np.float32]:
        """Return the class probabilities of open rows, shape [rows, classes]."""
        with _blame("prediction"):
            chances = np.asarray(self.learner.predict(self.open_rows[wanted.indices]), np.float32)
        check_shape(chances, len(wanted), self.spec.classes)
        return chances

    def measure(self, prefix: str = "") -> dict[str, float]:
        """Return accuracy and loss on the party's test rows; nothing where it has none."""
        if self.data.test is None:
            return {}
        with _blame("evaluation"):
            figures = evaluate(self.learner, self.data.test)
        return {prefix + name: value for name, value in figures.items()}


@contextmanager
def _blame(step: str) -> Iterator[None]:
    """Turn what a learner raises into one line that names the step."""
    try:
        yield
    except LimbeckError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise UserCodeError(
            f"the learner raised {type(error).__name__} in {step}: {said}",
            remedy="mend the model or the data and join again",
        ) from error
