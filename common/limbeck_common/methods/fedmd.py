"""FedMD: heterogeneous models that reach a consensus on open data.

D. Li, J. Wang, "FedMD: Heterogenous Federated Learning via Model Distillation", NeurIPS workshop on federated learning
for data privacy and confidentiality, 2019 (arXiv 1910.03581), Algorithm 1. Transfer learning: each participant trains
on the labelled open set, then on its private one. Then, in each round: communicate the class scores f_k(x) of a subset
of the open set; aggregate f~(x) = 1/m sum of f_k(x); digest, that is, train towards f~; revisit, that is, train on the
private set again.

Departures: the authors' code digests with the mean absolute error between scores; here it is the cross-entropy with
softmax(f~ / T), which learners without scores can minimise too. Such a learner sends logarithms of probabilities. A
client whose open rows have no labels skips the first half of the transfer learning, and a learner that starts from
scratch at each fit, such as a forest, forgets it. The order of steps is the paper's, with a round's digest and revisit
at the start of the next round, so that a client connects once per round.
"""

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Space, class_scores
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.dsfl import open_rows
from limbeck_common.methods.math.softmax import softmax
from limbeck_common.methods.method import ServerContext, ServerRound
from limbeck_common.methods.robust_method import RobustMethod

_TRANSFERRED = "transferred"


class FedMD(RobustMethod):
    """Averaged class scores of open rows."""

    sends: ClassVar[Kind | None] = Kind.LOGITS
    temperature: Annotated[
        PositiveFloat, Field(description="T of the softmax of averaged scores; higher is smoother.")
    ] = 1.0
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000
    transfer: Annotated[bool, Field(description="Train on the open rows first, where their labels are known.")] = True

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: sample the round's subset of the open set."""
        return Ask(Space.OPEN, Kind.LOGITS, open_rows(context, number, self.open_per_round))

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: transfer, the first time; then revisit, and send the scores f_k."""
        self._start(participant)
        participant.fit()
        return class_scores(wanted, participant.scores(wanted))

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: return the consensus f~, shape [open_per_round, classes]."""
        means = (mean.astype(np.float32) for mean in self.means(server))
        return Aggregate.to_all(class_scores(server.ask.wanted, server.collect(means)))

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client and server: digest. A latecomer transfers first, as training on labels would undo the digest."""
        self._start(participant)
        participant.distill_on(participant.open_rows[aggregate.rows], digested(aggregate, self.temperature))

    def _start(self, participant: Participant) -> None:
        labels = participant.data.open_labels
        if (
            self.transfer
            and participant.data.private is not None
            and labels is not None
            and _TRANSFERRED not in participant.memory
        ):
            participant.fit_on(Examples(participant.open_rows, labels))
            participant.memory[_TRANSFERRED] = np.ones(1, np.uint8)


def digested(consensus: Block, temperature: float) -> NDArray[np.float32]:
    """Return the labels to train towards, softmax(f~ / T), shape [rows, classes]."""
    return softmax(np.asarray(consensus.predictions[:]), temperature).astype(np.float32)
