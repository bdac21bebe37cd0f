"""FD: federated distillation without open data, through the average output per class.

E. Jeong, S. Oh, H. Kim, J. Park, M. Bennis, S.-L. Kim, "Communication-Efficient On-Device Machine Learning: Federated
Distillation and Augmentation under Non-IID Private Data", NeurIPS workshop on machine learning on the phone and other
consumer devices, 2018 (arXiv 1811.11479), Algorithm 1. A client uploads F_l, the mean of its softmax outputs ("logit
vectors" there) on its private rows of label l. On a row of label l it minimises phi(F, l) + gamma * phi(F, F^_l), where
phi is the cross-entropy and F^_l the average over the other clients.

Departures: F_l is taken after a round's training, not summed along its steps. F^_l averages over all clients that have
the label: the paper leaves out the client itself, which would take an aggregate per client. The paper gives no gamma: 1
is ours. A learner whose loss cannot be extended learns the averages as soft labels of its private rows, where gamma has
no effect. The server's own model has no rows to learn from: run FD with model.name = "none". FAug is not here.
"""

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from limbeck_common.core.blocks import Parts, Space
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Loss, LossTaker
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.math.class_means import class_means
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound

_AVERAGES = "averages"


class FD(Method):
    """Averaged outputs by class: classes x classes values per round, whatever the models."""

    needs_open: ClassVar[bool] = False
    gamma: Annotated[PositiveFloat, Field(description="Weight of the averaged outputs in the loss.")] = 1.0

    def forms(self, spec: Spec) -> Forms:
        """Both: one averaged output per class that somebody has."""
        outputs = Form(spec.output.kind, Space.CLASSES, spec.output.row_shape, partial=True)
        return Forms(up={"outputs": outputs}, down={"outputs": outputs})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for all classes; a client leaves out those that it has no rows of."""
        return {"outputs": None}

    def client_receive(self, client: ClientRound) -> None:
        """Client: remember F^_l for the training that follows, with zeros, which have no effect, for absent classes."""
        outputs = client.aggregate["outputs"]
        averages = np.zeros((client.spec.output.width, client.spec.output.width), np.float32)
        averages[outputs.rows] = outputs.array[:]
        client.memory[_AVERAGES] = averages

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train on labels and towards the averages, then average the outputs, F_l."""
        participant, averages = client.participant, client.memory.get(_AVERAGES)
        private = participant.private
        if averages is not None and isinstance(participant.learner, LossTaker):
            client.fit(regularised(averages, self.gamma))
        else:
            if averages is not None:
                participant.distill_on(private.x, averages[private.y])
            client.fit()
        labels, means, _ = class_means(participant.predict_on(private.x), private.y)
        return {"outputs": client.block("outputs", means, labels)}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: F^_l, for each label that a client has."""
        return {"outputs": server.map_mean("outputs", lambda mean: mean)}


def regularised(averages: NDArray[np.float32], gamma: float) -> Loss:
    """Return phi(F, l) + gamma * phi(F, F^_l), the mean over a batch; `averages` is F^, shape [classes, classes]."""

    def loss(step: Any) -> Any:
        targets = step.scores.new_tensor(averages)[step.targets]
        return step.loss - gamma * (targets * step.scores.log_softmax(dim=1)).sum(dim=1).mean()

    return loss
