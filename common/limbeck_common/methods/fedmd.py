"""FedMD: heterogeneous models that reach a consensus on open data.

D. Li, J. Wang, "FedMD: Heterogenous Federated Learning via Model Distillation", NeurIPS workshop on federated learning
for data privacy and confidentiality, 2019 (arXiv 1910.03581), Algorithm 1. Transfer learning: each party trains on the
labelled open set, then on its private one. Then, a round: communicate the class scores f_k(x) of a subset of the open
set; aggregate f~(x) = 1/m sum of f_k(x); digest, which is to train towards f~; revisit, which is to train on the
private set again.

Departures: the authors' code digests with the mean absolute error between scores; here it is the cross-entropy with
softmax(f~ / T), which learners without scores can minimise too. Such a learner sends logarithms of probabilities. A
party whose open rows have no labels skips the first half of the transfer learning, and a learner that starts anew at
each fit, as a forest does, forgets it. The order of steps is the paper's, with a round's digest and revisit at the
start of the next one, so that a client connects once a round.
"""

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from limbeck_common.core.messages import Block, Kind, Rows, Space, Task, Teaching, class_scores
from limbeck_common.datasets.registry import Examples
from limbeck_common.learning.participant import Party
from limbeck_common.methods.dsfl import open_rows
from limbeck_common.methods.math.softmax import softmax
from limbeck_common.methods.method import Gathered, Ground
from limbeck_common.methods.robust_method import RobustMethod

_TRANSFERRED = "transferred"


class FedMD(RobustMethod):
    """Averaged class scores of open rows."""

    sends: ClassVar[Kind | None] = Kind.LOGITS
    temperature: Annotated[PositiveFloat, Field(description="T of the digest's softmax")] = 1.0
    open_per_round: Annotated[PositiveInt, Field(description="open rows a round")] = 1000
    transfer: Annotated[bool, Field(description="first train on the open rows, where their labels are known")] = True

    def plan(self, ground: Ground, number: int) -> Task:
        """Server: sample the round's subset of the open set."""
        return Task(Space.OPEN, Kind.LOGITS, open_rows(ground, number, self.open_per_round))

    def contribute(self, party: Party, wanted: Rows, number: int) -> Block:  # noqa: ARG002 - all rounds are alike
        """Client: the first time, transfer; then revisit, and send the scores f_k."""
        self._start(party)
        party.fit()
        return class_scores(wanted, party.scores(wanted))

    def teach(self, gathered: Gathered) -> Teaching:
        """Server: the consensus f~, shape [open_per_round, classes]."""
        means = (mean.astype(np.float32) for mean in self.means(gathered))
        return Teaching.to_all(class_scores(gathered.task.wanted, gathered.collect(means)))

    def learn(self, party: Party, teaching: Block, number: int) -> None:  # noqa: ARG002 - all rounds are alike
        """Client and server: digest. Who comes late transfers first: what labels taught must not undo the digest."""
        self._start(party)
        party.distill_on(party.open_rows[teaching.rows], digested(teaching, self.temperature))

    def _start(self, party: Party) -> None:
        labels = party.data.open_labels
        if self.transfer and party.data.private is not None and labels is not None and _TRANSFERRED not in party.notes:
            party.fit_on(Examples(party.open_rows, labels))
            party.notes[_TRANSFERRED] = np.ones(1, np.uint8)


def digested(consensus: Block, temperature: float) -> NDArray[np.float32]:
    """Return the labels to train towards, softmax(f~ / T), shape [rows, classes]."""
    return softmax(np.asarray(consensus.predictions[:]), temperature).astype(np.float32)
