"""FedAvg, the baseline to compare with, and FedProx's term.

B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas, "Communication-Efficient Learning of Deep Networks from
Decentralized Data", AISTATS 2017 (arXiv 1602.05629), Algorithm 1: w <- sum of n_k / n * w_k.
T. Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020 (arXiv 1812.06127), equation 2: each client
minimises F_k(w) + mu / 2 * |w - w^t|^2.

Departures: the first round sends nothing down, as all participants draw the same first weights from the federation's
seed. Momentum of the local optimizer, if the recipe has any, lives on across rounds.
"""

from typing import Annotated, Any, ClassVar

from pydantic import NonNegativeFloat
from pydantic.fields import Field

from limbeck_common.core.blocks import Parts, parameters
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Capability, Loss
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound


class FedAvg(Method):
    """Averaged weights. All clients have the server's model."""

    one_start: ClassVar[bool] = True
    needs_open: ClassVar[bool] = False
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.WEIGHTS})
    mu: Annotated[
        NonNegativeFloat,
        Field(description="FedProx's pull towards the weights at the start of the round; 0 is FedAvg."),
    ] = 0.0

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: name one architecture for all."""
        return {server_model: server_model}

    def forms(self, spec: Spec) -> Forms:
        """Both: a model, weighted by the number of rows that it was trained on."""
        return Forms(up={"model": Form.model()}, down={"model": Form.model()})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for weights."""
        return {"model": None}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: take the average."""
        client.participant.load_parameters(client.aggregate["model"].parameters)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train, and send the weights w_k with n_k."""
        client.fit(proximal(self.mu) if self.mu else None)
        return {"model": client.model(client.participant.parameters())}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: average the weights by n_k."""
        (tally,) = server.models("model").values()
        return {"model": parameters(tally.means())}


def proximal(mu: float) -> Loss:
    """Return FedProx's loss. It pulls towards the weights at its first call, before any step."""
    start: dict[str, Any] = {}

    def loss(step: Any) -> Any:
        named = dict(step.module.named_parameters())
        if not start:
            start.update({name: value.detach().clone() for name, value in named.items()})
        return step.loss + mu / 2 * sum(((value - start[name]) ** 2).sum() for name, value in named.items())

    return loss
