"""FedGH: the server trains one head for all on the clients' mean features; bodies differ and stay at home.

L. Yi, G. Wang, X. Liu, Z. Shi, H. Yu, "FedGH: Heterogeneous Federated Learning with Generalized Global Header", ACM
Multimedia 2023 (arXiv 2303.13137), Algorithm 1. A client replaces its head by the global one, trains, and sends the
mean features of each of its classes. The server trains the global head on them as inputs, with their classes as labels,
and sends its parameters to all.

Departures: the server descends on all means of a round at once, for a number of steps, where the authors' goes through
them in batches. Until there is a global head, clients have their own. Widths of features are as in `fedproto.py`. The
server's own model has no rows to learn from: run it with model.name = "none".
"""

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from limbeck_common.core.blocks import Parts, Space, parameters
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.softmax import softmax
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Capability
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.math.class_means import class_means
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound

Head = tuple[NDArray[np.float64], NDArray[np.float64]]  # weight, [classes, features], and bias, [classes]


class FedGH(Method):
    """Mean features by class up, one head down. A head is a linear layer with a bias."""

    needs_open: ClassVar[bool] = False
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.FEATURES})
    features: Annotated[PositiveInt, Field(description="Width of the features, the same for all models.")] = 64
    steps: Annotated[PositiveInt, Field(description="Steps of the global head's training per round.")] = 100
    rate: Annotated[PositiveFloat, Field(description="Learning rate of the global head.")] = 0.1

    @property
    def feature_width(self) -> int:
        """The width of what heads are given."""
        return self.features

    def forms(self, spec: Spec) -> Forms:
        """Both: mean features of the classes that a client has; the head's parameters."""
        means = Form(Kind.FEATURES, Space.CLASSES, (self.features,), partial=True)
        return Forms(up={"means": means}, down={"head": Form(Kind.PARAMETERS, Space.PARAMETERS)})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for all classes; a client leaves out those that it has no rows of."""
        return {"means": None}

    def client_receive(self, client: ClientRound) -> None:
        """Client: take the head."""
        client.participant.featured.load_head(client.aggregate["head"].parameters)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train, then average the features by class."""
        private = client.participant.private
        client.fit()
        classes, means, _ = class_means(client.participant.featured.features(private.x), private.y)
        return {"means": client.block("means", means, classes)}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: train the head on all clients' means, from where the last round left it, at first from zeros."""
        sent = [parts["means"] for _, parts in server.uplinks()]
        last = server.aggregate(server.number - 1)
        known = None if last is None else last["head"].parameters
        classes = server.spec.output.width
        start: Head = np.zeros((classes, self.features)), np.zeros(classes)
        if known is not None:
            start = known["weight"].astype(np.float64), known["bias"].astype(np.float64)
        inputs = np.concatenate([np.asarray(block.array[:], np.float64) for block in sent])
        labels = np.concatenate([block.rows for block in sent])
        weight, bias = trained(start, inputs, labels, self.steps, self.rate)
        return {"head": parameters({"weight": weight, "bias": bias})}


def trained(head: Head, x: NDArray[np.float64], y: NDArray[np.int64], steps: int, rate: float) -> Head:
    """Return a head after gradient descent on the cross-entropy of inputs, [means, features], and their classes."""
    weight, bias = head
    wanted = np.eye(len(bias))[y]
    for _ in range(steps):
        errors = (softmax(x @ weight.T + bias) - wanted) / len(x)
        weight = weight - rate * errors.T @ x
        bias = bias - rate * errors.sum(axis=0)
    return weight, bias
