"""FedProto: clients share the mean features of each class, whatever their models.

Y. Tan, G. Long, L. Liu, T. Zhou, Q. Lu, J. Jiang, C. Zhang, "FedProto: Federated Prototype Learning across
Heterogeneous Clients", AAAI 2022 (arXiv 2105.00243), Algorithm 1. A client's prototype C^(j) of class j is the mean of
what its model's head is given on its private rows of that class (equation 3). The server averages the prototypes of a
class, weighted by the clients' numbers of rows of it (equation 6). Clients minimise the cross-entropy plus lambda times
the squared distance of a row's features from the global prototype of its class (equation 7).

Departures: the distance is the mean over the features, as in the authors' code. A client predicts with its own head;
the paper also takes the class of the nearest prototype. Features of built-in models are brought to the same width by
average pooling, as in HtFLlib (arXiv 2506.03954); a model of one's own must have that width. The server's own model has
no rows to learn from: run it with model.name = "none".
"""

from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt

from limbeck_common.core.blocks import Parts, Space
from limbeck_common.core.form import Form, Forms, Plan, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Capability, Loss
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.math.class_means import class_means
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound

_GLOBAL = "prototypes"


class FedProto(Method):
    """Averaged prototypes: one row of features per class."""

    needs_open: ClassVar[bool] = False
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.FEATURES})
    pull: Annotated[
        NonNegativeFloat, Field(description="Weight of the distance from the prototypes in the loss (lambda).")
    ] = 1.0
    features: Annotated[PositiveInt, Field(description="Width of the features, the same for all models.")] = 64

    @property
    def feature_width(self) -> int:
        """The width of what heads are given."""
        return self.features

    def forms(self, spec: Spec) -> Forms:
        """Both: a prototype per class that somebody has; a client's counts its rows of that class."""
        prototypes = Form(Kind.FEATURES, Space.CLASSES, (self.features,), partial=True)
        counted = Form(Kind.FEATURES, Space.CLASSES, (self.features,), partial=True, weights=Weights.KEY)
        return Forms(up={"prototypes": counted}, down={"prototypes": prototypes})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for all classes; a client leaves out those that it has no rows of."""
        return {"prototypes": None}

    def client_receive(self, client: ClientRound) -> None:
        """Client: remember the global prototypes for the training that follows; NaN stands for an absent class."""
        known = client.aggregate["prototypes"]
        prototypes = np.full((client.spec.output.width, self.features), np.nan, np.float32)
        prototypes[known.rows] = known.array[:]
        client.memory[_GLOBAL] = prototypes

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train on labels and towards the prototypes, then average the features by class."""
        private, known = client.participant.private, client.memory.get(_GLOBAL)
        client.fit(None if known is None else drawn(known, self.pull))
        classes, means, counts = class_means(client.participant.featured.features(private.x), private.y)
        return {"prototypes": client.block("prototypes", means, classes, counts)}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: average each class's prototypes, weighted by rows."""
        return {"prototypes": server.map_mean("prototypes", lambda mean: mean)}


def drawn(prototypes: NDArray[np.float32], pull: float) -> Loss:
    """Return the loss with its pull towards prototypes, [classes, features]; absent classes do not pull."""

    def loss(step: Any) -> Any:
        wanted = step.features.new_tensor(prototypes)[step.targets]
        wanted = wanted.where(wanted.isfinite(), step.features.detach())
        return step.loss + pull * (step.features - wanted).square().mean()

    return loss
