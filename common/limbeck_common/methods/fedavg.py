"""FedAvg, the baseline to compare with, and FedProx's term.

B. McMahan, E. Moore, D. Ramage, S. Hampson, B. Agüera y Arcas, "Communication-Efficient Learning of Deep Networks from
Decentralized Data", AISTATS 2017 (arXiv 1602.05629), Algorithm 1: w <- sum of n_k / n * w_k.
T. Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020 (arXiv 1812.06127), equation 2: each client
minimises F_k(w) + mu / 2 * |w - w^t|^2.

Departures: the first round sends nothing down, as all parties draw the same first weights from the federation's seed.
Momentum of the local optimizer lives on across rounds where the recipe asks for any.
"""

from typing import Annotated, Any, ClassVar

from pydantic import NonNegativeFloat
from pydantic.fields import Field

from limbeck_common.core.messages import Block, Kind, Rows, Space, Task, Teaching, parameters
from limbeck_common.learning.learner import Penalty
from limbeck_common.learning.participant import Party
from limbeck_common.methods.method import Gathered, Ground, Method


class FedAvg(Method):
    """Averaged weights. All clients have the server's model."""

    one_start: ClassVar[bool] = True
    needs_open: ClassVar[bool] = False
    sends: ClassVar[Kind | None] = Kind.PARAMETERS
    mu: Annotated[NonNegativeFloat, Field(description="FedProx's pull towards the round's start; 0: FedAvg")] = 0.0

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: one architecture for all."""
        return {"": server_model}

    def plan(self, ground: Ground, number: int) -> Task:  # noqa: ARG002 - all rounds are alike
        """Server: ask for weights, each as heavy as the rows that it was trained on."""
        return Task(Space.PARAMETERS, Kind.PARAMETERS, weighted=True, models=ground.models)

    def contribute(self, party: Party, wanted: Rows, number: int) -> Block:  # noqa: ARG002 - all rounds are alike
        """Client: train, and send the weights w_k with n_k."""
        party.fit(proximal(self.mu) if self.mu else None)
        return parameters(party.parameters(), weight=party.private_rows)

    def teach(self, gathered: Gathered) -> Teaching:
        """Server: average the weights by n_k."""
        return Teaching.to_all(parameters(gathered.models[""].means()))

    def learn(self, party: Party, teaching: Block, number: int) -> None:  # noqa: ARG002 - all rounds are alike
        """Client and server: take the average."""
        party.load_parameters(teaching.parameters)


def proximal(mu: float) -> Penalty:
    """Return FedProx's term. The weights that it pulls to are those at its first call, before any step."""
    start: dict[str, Any] = {}

    def penalty(module: Any, inputs: Any, labels: Any, logits: Any) -> Any:  # noqa: ARG001 - `Penalty`'s signature
        named = dict(module.named_parameters())
        if not start:
            start.update({name: value.detach().clone() for name, value in named.items()})
        return mu / 2 * sum(((value - start[name]) ** 2).sum() for name, value in named.items())

    return penalty
