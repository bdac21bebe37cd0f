"""FedMD: heterogeneous models that reach a consensus on open data.

D. Li, J. Wang, "FedMD: Heterogenous Federated Learning via Model Distillation", NeurIPS workshop on federated learning
for data privacy and confidentiality, 2019 (arXiv 1910.03581), Algorithm 1. Transfer learning: each participant trains
on the labelled open set, then on its private one. Then, in each round: communicate the class scores f_k(x) of a subset
of the open set; aggregate f~(x) = 1/m sum of f_k(x); digest, that is, train towards f~; revisit, that is, train on the
private set again.

Departures: the authors' code digests with the mean absolute error between scores; here it is T^2 times the
cross-entropy of softmax(f / T) with softmax(f~ / T), which learners without scores can minimise too. Such a learner
sends logarithms of probabilities. Transfer learning takes the recipe's epochs on private rows `transfer` times; the
authors' takes up to 20 with early stopping. A client whose open rows have no labels skips the first half of it, and a
learner that starts from scratch at each fit, such as a forest, forgets it. The order of steps is the paper's, with a
round's digest and revisit at the start of the next round, so that a client connects once per round.
"""

from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from limbeck_common.core.blocks import Parts, Space
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.options.robust_method import RobustMethod
from limbeck_common.methods.server_round import ServerRound, open_sample

_TRANSFERRED = "transferred"


class FedMD(RobustMethod):
    """Averaged class scores of open rows."""

    temperature: Annotated[
        PositiveFloat, Field(description="T of the softmax of scores, on both sides of the loss.")
    ] = 1.0
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000
    transfer: Annotated[
        NonNegativeInt,
        Field(description="Trainings on the open rows before the first round, where their labels are known."),
    ] = 1

    def forms(self, spec: Spec) -> Forms:
        """Both: class scores of open rows, up and down."""
        scores = Form(Kind.LOGITS, Space.OPEN, spec.output.row_shape)
        return Forms(up={"scores": scores}, down={"scores": scores})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: sample the round's subset of the open set."""
        return {"scores": open_sample(server.spec, server.number, self.open_per_round)}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: digest. A latecomer transfers first, as training on labels would undo the digest."""
        self._transfer(client)
        client.distill(client.aggregate["scores"], temperature=self.temperature)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: transfer, the first time; then revisit, and send the scores f_k."""
        self._transfer(client)
        client.fit()
        return {"scores": client.scores("scores")}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: return the consensus f~, shape [open_per_round, classes]."""
        return {"scores": server.block("scores", self.means(server, "scores"))}

    def _transfer(self, client: ClientRound) -> None:
        participant = client.participant
        labels = participant.data.open_labels
        if (
            self.transfer
            and participant.data.private is not None
            and labels is not None
            and _TRANSFERRED not in client.memory
        ):
            for _ in range(self.transfer):
                participant.fit_on(Examples(participant.open_rows, labels))
            client.memory[_TRANSFERRED] = np.ones(1, np.uint8)
