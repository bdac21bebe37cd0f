"""One participant: a learner, the data that it may see, and what a method may ask of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError, LimbeckError, UserCodeError
from limbeck_common.core.recipe import Distill
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.datasets.row_view import RowView
from limbeck_common.learning.learner import (
    BatchReader,
    Featured,
    Learner,
    LearnerState,
    Loss,
    LossTaker,
    Predictor,
    Refitter,
    Scorer,
    WeightLearner,
    check_shape,
)
from limbeck_common.learning.metrics import evaluate

_SURE = 1e-7  # the smallest probability whose logarithm stands for a score


@dataclass
class Participant:
    """A client, or the server's own model, which has no private rows and only learns from others.

    `model` is the name of the learner's model. `memory` holds what a method must remember between rounds, as named
    arrays; it is kept with the learner. `others` are further learners that the method asked for, by name. `build`
    makes another learner of the named model, or of the participant's own model for "". A learner that can only predict
    stays as it is: training and distillation pass it by.
    """

    spec: Spec
    learner: Predictor
    data: ParticipantData
    build: Callable[[str], Predictor] | None = None
    model: str = ""
    memory: LearnerState = field(default_factory=dict)
    others: dict[str, "Participant"] = field(default_factory=dict)

    @property
    def open_rows(self) -> NDArray[np.generic]:
        """The open set, shape [open_rows, *sample_shape]."""
        if self.data.open is None:
            raise DataError("this participant has no open data", remedy="fetch it from the server first")
        return self.data.open

    @property
    def private(self) -> Examples:
        """The private rows, labelled."""
        if self.data.private is None:
            raise DataError("this participant has no private data to train on")
        return self.data.private

    @property
    def private_rows(self) -> int:
        """The number of private rows."""
        return len(self.private.y)

    @property
    def trains(self) -> bool:
        """Whether the learner can do more than predict."""
        return isinstance(self.learner, Learner)

    def fit(self, loss: Loss | None = None, beside: Sequence["Participant"] = ()) -> None:
        """Train on the private rows: see `fit_on`."""
        if self.trains:
            self.fit_on(self.private, loss, beside)

    def fit_on(self, examples: Examples, loss: Loss | None = None, beside: Sequence["Participant"] = ()) -> None:
        """Train on labelled rows of any origin; on a loss of the method's own, and other learners in step with it."""
        with _blame("training"):
            if loss is not None or beside:
                others = [each.loss_taker for each in beside]
                self.loss_taker.fit(self._readable(examples), self.spec.recipe.fit, loss, others)
            elif isinstance(self.learner, Learner):
                self.learner.fit(self._readable(examples), self.spec.recipe.fit)

    def distill_on(self, x: Any, labels: Any, truth: NDArray[Any] | None = None, **changes: float) -> None:
        """Train on rows of any origin, [rows, *sample_shape], towards predictions, [rows, *row_shape].

        `truth` are the rows' labels, where they are known. `changes` replace entries of the recipe.
        """
        if not isinstance(self.learner, Learner):
            return
        recipe = self.distill_recipe.model_copy(update=changes)
        if not isinstance(self.learner, BatchReader):
            x, labels = np.asarray(x[:]), np.asarray(labels[:], np.float32)
        with _blame("distillation"):
            if truth is not None and recipe.alpha < 1:
                self.learner.distill(x, labels, recipe, truth)  # type: ignore[call-arg] # of limbeck's own learners
            else:
                self.learner.distill(x, labels, recipe)

    @property
    def distill_recipe(self) -> Distill:
        """How this participant distils: the server's own model may have a recipe of its own."""
        server = self.data.private is None
        return (self.spec.recipe.server if server else None) or self.spec.recipe.distill

    def open_view(self, places: NDArray[np.int64]) -> Any:
        """Return some of the open rows; those of a memory map are read when they are needed."""
        rows = self.open_rows
        in_memory = isinstance(rows, np.ndarray) and not isinstance(rows, np.memmap)
        return rows[places] if in_memory else RowView(rows, places)

    def predict_on(self, x: Any) -> NDArray[np.float32]:
        """Return the predictions of rows of any origin, shape [rows, *row_shape]."""
        row_shape = self.spec.output.row_shape
        if not len(x):  # some learners cannot predict no rows
            return np.zeros((0, *row_shape), np.float32)
        with _blame("prediction"):
            predictions = np.asarray(self.learner.predict(self._whole(x)), np.float32)
        check_shape(predictions, len(x), row_shape)
        return predictions

    def scores_on(self, x: Any) -> NDArray[np.float32]:
        """Return scores of rows, shape [rows, *row_shape]: logits, or log probabilities without logits."""
        if not isinstance(self.learner, Scorer):
            return np.log(np.maximum(self.predict_on(x), np.float32(_SURE)))
        with _blame("prediction"):
            scores = np.asarray(self.learner.scores(self._whole(x)), np.float32)
        check_shape(scores, len(x), self.spec.output.row_shape)
        return scores

    def _whole(self, x: Any) -> Any:
        return x if isinstance(self.learner, BatchReader) else np.asarray(x[:])

    def _readable(self, examples: Examples) -> Examples:
        if isinstance(self.learner, BatchReader):
            return examples
        return Examples(np.asarray(examples.x[:]), np.asarray(examples.y[:]))

    @property
    def loss_taker(self) -> LossTaker:
        """The learner, if a method can replace its loss. Raises UserCodeError where it cannot."""
        if not isinstance(self.learner, LossTaker):
            raise UserCodeError(f"method {self.spec.method.name} needs a torch model")
        return self.learner

    @property
    def featured(self) -> Featured:
        """The learner, if it has features and a head. Raises UserCodeError where it has none."""
        if not isinstance(self.learner, Featured):
            raise UserCodeError(f"method {self.spec.method.name} needs a torch model with a body and a head")
        return self.learner

    @property
    def weights(self) -> WeightLearner:
        """The learner, if its weights can be read and set.

        Raises:
            UserCodeError: they cannot.
        """
        if not isinstance(self.learner, WeightLearner):
            raise UserCodeError(
                f"method {self.spec.method.name} exchanges weights, which this learner does not offer",
                expected="a torch model",
                remedy="join with one, or take a method that exchanges predictions",
            )
        return self.learner

    def parameters(self) -> LearnerState:
        """Return the model's parameters by name."""
        return self.weights.parameters()

    def load_parameters(self, parameters: Mapping[str, NDArray[np.generic]]) -> None:
        """Set the model's parameters.

        Raises:
            UserCodeError: they belong to another model.
        """
        own = {name: value.size for name, value in self.parameters().items()}
        if own != {name: value.size for name, value in parameters.items()}:
            raise UserCodeError(
                f"the federation's model has {len(parameters)} parameter arrays of "
                f"{sum(value.size for value in parameters.values())} values, this one has {len(own)} of "
                f"{sum(own.values())}, or names them differently",
                expected=f"the model that method {self.spec.method.name} exchanges",
                remedy="join with that model",
            )
        self.weights.load_parameters(parameters)

    def other(self, name: str, model: str) -> "Participant":
        """Return this participant with another learner, of the given model; each name always gives the same learner."""
        if name not in self.others:
            self.others[name] = self.fresh(model)
        return self.others[name]

    def fresh(self, model: str = "") -> "Participant":
        """Return this participant with a fresh learner of a model, "" for its own: the same bits every time."""
        if self.build is None:
            raise UserCodeError(f"this participant cannot build a {model or 'second learner'}")
        return Participant(self.spec, self.build(model), self.data, model=model or self.model)

    def measure(self, prefix: str = "") -> dict[str, float]:
        """Return the metrics of each learner on the participant's test rows; empty if it has none."""
        metrics: dict[str, float] = {}
        for beginning, rows in ((prefix, self.data.test), (f"{prefix}local_", self.data.local_test)):
            if rows is not None:
                with _blame("evaluation"):
                    found = evaluate(self.learner, rows, self.spec.output)
                metrics |= {beginning + name: value for name, value in found.items()}
        for name, other in sorted(self.others.items()):
            metrics |= other.measure(f"{prefix}{name}_")
        return metrics

    def _own_state(self) -> LearnerState:
        return self.learner.state() if isinstance(self.learner, Learner) else {}

    def state(self) -> LearnerState:
        """Return all that is needed to continue after a restart: see `load_state`."""
        state = _under("own", self._own_state()) | _under("memory", self.memory)
        for name, other in self.others.items():
            state |= _under(f"other.{name}", other.state() | {"model": np.frombuffer(other.model.encode(), np.uint8)})
        return state

    def load_state(self, state: LearnerState) -> None:
        """Continue from what `state` returned."""
        parts: dict[str, LearnerState] = {"own": {}, "memory": {}, "other": {}}
        for name, value in state.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        if isinstance(self.learner, Refitter) and self.data.private is not None:
            self.learner.remember(self.data.private)
        if isinstance(self.learner, Learner):
            self.learner.load_state(parts["own"])
        self.memory = parts["memory"]
        others: dict[str, LearnerState] = {}
        for name, value in parts["other"].items():
            other, _, rest = name.partition(".")
            others.setdefault(other, {})[rest] = value
        for name, kept in others.items():
            self.others[name] = self.fresh(kept.pop("model").tobytes().decode())
            self.others[name].load_state(kept)


def _under(prefix: str, state: LearnerState) -> LearnerState:
    return {f"{prefix}.{name}": value for name, value in state.items()}


@contextmanager
def _blame(step: str) -> Iterator[None]:
    """Turn whatever a learner raises into one line that names the step."""
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
