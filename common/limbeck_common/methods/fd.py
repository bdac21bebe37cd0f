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

from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Space
from limbeck_common.core.tensors import Tensor
from limbeck_common.learning.learner import Penalty, WeightLearner
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.method import Method, ServerContext, ServerRound

_AVERAGES = "averages"


class FD(Method):
    """Averaged outputs by class: classes x classes values per round, whatever the models."""

    needs_open: ClassVar[bool] = False
    sends: ClassVar[Kind | None] = Kind.PROBABILITIES
    gamma: Annotated[PositiveFloat, Field(description="Weight of the averaged outputs in the loss.")] = 1.0

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: ask for one row per class that a client has."""
        return Ask(Space.CLASSES, Kind.PROBABILITIES, partial=True)

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: train on labels and towards the averages, then average the outputs, F_l."""
        private, averages = participant.private, participant.memory.get(_AVERAGES)
        if averages is not None and isinstance(participant.learner, WeightLearner):
            participant.fit(regulariser(averages, self.gamma))
        else:
            if averages is not None:
                participant.distill_on(private.x, averages[private.y])
            participant.fit()
        return by_class(*class_averages(participant.predict_on(private.x), private.y))

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: F^_l, for each label that a client has."""
        means = (mean.astype(np.float32) for mean in server.tally.means())
        return Aggregate.to_all(by_class(server.tally.answered, server.collect(means)))

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client: remember F^_l for the training that follows, with zeros, which have no effect, for absent classes."""
        averages = np.zeros((participant.spec.output.width, participant.spec.output.width), np.float32)
        averages[aggregate.rows] = aggregate.predictions[:]
        participant.memory[_AVERAGES] = averages


def by_class(labels: Rows, values: Tensor) -> Block:
    """Return averaged outputs, shape [labels, classes], as a block."""
    return Block(Space.CLASSES, labels, Kind.PROBABILITIES, (values,))


def class_averages(outputs: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[Rows, NDArray[np.float32]]:
    """Return the labels that occur in `y`, and F_l for each of them, shape [labels, classes].

    >>> labels, means = class_averages(np.float32([[1, 0], [0, 1], [0.5, 0.5]]), np.array([1, 1, 0]))
    >>> labels.indices, means
    (array([0, 1]), array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32))
    """
    labels = np.unique(y)
    means = [outputs[y == label].mean(axis=0, dtype=np.float64) for label in labels]
    return Rows(labels), np.stack(means).astype(np.float32)


def regulariser(averages: NDArray[np.float32], gamma: float) -> Penalty:
    """Return gamma * phi(F, F^_l), the mean over a batch; `averages` is F^, shape [classes, classes]."""

    def penalty(module: Any, inputs: Any, labels: Any, logits: Any) -> Any:
        targets = logits.new_tensor(averages)[labels]
        return -gamma * (targets * logits.log_softmax(dim=1)).sum(dim=1).mean()

    return penalty
