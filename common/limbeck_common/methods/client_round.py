"""What a method sees on a client: one round, for one participant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.blocks import Block, Parts, Rows, parameters
from limbeck_common.core.form import Ask
from limbeck_common.core.kinds import Kind
from limbeck_common.core.softmax import softmax
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import LearnerState, Loss
from limbeck_common.learning.participant import Participant


@dataclass(frozen=True, eq=False)
class ClientRound:
    """Round `number` of a client, or of the server's own model, which only learns.

    `aggregate` is what round `number` - 1 made for this participant; empty in its first round. `plan` is what round
    `number` asks for, by part.

    >>> def client_update(self, client: ClientRound):
    ...     "Train on the private rows, and predict the rows that the round asks for."
    ...     client.fit()
    ...     return {"labels": client.predict("labels")}
    """

    participant: Participant
    number: int
    aggregate: Parts = field(default_factory=dict)
    plan: Mapping[str, Ask] = field(default_factory=dict)

    @property
    def spec(self) -> Spec:
        """The federation's specification."""
        return self.participant.spec

    @property
    def memory(self) -> LearnerState:
        """What the method remembers between rounds, as named arrays; kept with the learner."""
        return self.participant.memory

    def rows(self, part: str) -> Rows:
        """Return the open rows or classes that a part is asked for."""
        return self.plan[part].rows

    def fit(self, loss: Loss | None = None, beside: Sequence[Participant] = ()) -> None:
        """Train on the private rows. A loss of the method's own takes the place of the task's: see `Step`.

        Participants beside this one take a step with each of its steps, on the same batches.
        """
        self.participant.fit(loss, beside)

    def distill(self, block: Block, **changes: float) -> None:
        """Train on a block's open rows towards its labels. Class scores stand for their softmax.

        `changes` replace entries of the recipe, such as the temperature.
        """
        participant, truth = self.participant, self.participant.data.open_labels
        labels: Any = block.array
        if block.kind is Kind.LOGITS:
            labels = softmax(np.asarray(labels[:])).astype(np.float32)
        known = None if truth is None else truth[block.rows]
        participant.distill_on(participant.open_view(block.rows), labels, known, **changes)

    def predict(self, part: str, rows: Rows | None = None) -> Block:
        """Return the predictions for the open rows that a part is asked for, or for some of them."""
        rows = self.rows(part) if rows is None else rows
        return self.block(part, self.participant.predict_on(self.participant.open_view(rows.indices)), rows)

    def scores(self, part: str) -> Block:
        """Return the class scores of the open rows that a part is asked for: logits, or log probabilities without."""
        rows = self.rows(part)
        return self.block(part, self.participant.scores_on(self.participant.open_view(rows.indices)), rows)

    def block(self, part: str, values: NDArray[Any], rows: Rows, weight: int | NDArray[np.int64] = 1) -> Block:
        """Return values, shape [rows, *row_shape], as a part of the uplink, in the form that the round asks for."""
        return self.plan[part].form.block(values, rows, weight)

    def model(self, values: Mapping[str, NDArray[Any]]) -> Block:
        """Return a model's parameters, by name, as a part of the uplink that weighs as much as the private rows."""
        return parameters(values, weight=self.participant.private_rows)
