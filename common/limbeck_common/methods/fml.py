"""FML: beside its own model each client trains a small common one, and only that travels.

T. Shen, J. Zhang, X. Jia, F. Zhang, G. Huang, P. Zhou, K. Kuang, F. Wu, C. Wu, "Federated Mutual Learning", 2020 (arXiv
2006.16765), Algorithm 1; the losses are of Y. Zhang, T. Xiang, T. Hospedales, H. Lu, "Deep Mutual Learning", CVPR 2018
(arXiv 1706.00384). A client takes the averaged small model, called the meme, and trains both in step on the same
batches: its own on alpha * CE + (1 - alpha) * KL(p_meme | p_own), the meme on beta * CE + (1 - beta) * KL(p_own |
p_meme). The server averages the memes by n_k. Own models may all differ, and stay at home.

Departures: neither loss's gradient passes through the other model, as in Deep Mutual Learning's code. The server's
figures are those of the meme.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from limbeck_common.core.blocks import Parts, parameters
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Capability, Loss
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound

MEME = "meme"


class FML(Method):
    """An averaged small model, from which each client's own learns."""

    needs_open: ClassVar[bool] = False
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOSSES})
    meme: Annotated[str, Field(description="Name of the small model.")] = "mlp"
    alpha: Annotated[float, Field(ge=0, le=1, description="Share of the labels in the own model's loss.")] = 0.5
    beta: Annotated[float, Field(ge=0, le=1, description="Share of the labels in the meme's loss.")] = 0.5

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: name the meme's."""
        return {MEME: self.meme}

    def forms(self, spec: Spec) -> Forms:
        """Both: the meme, weighted by the number of rows that it was trained on."""
        return Forms(up={MEME: Form.model(MEME)}, down={MEME: Form.model(MEME)})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for memes."""
        return {MEME: None}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: take the average."""
        self._meme(client.participant).load_parameters(client.aggregate[MEME].parameters)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train both models in step, and send the meme with n_k."""
        meme = self._meme(client.participant)
        client.fit(mutual(self.alpha, self.beta), beside=[meme])
        return {MEME: client.model(meme.parameters())}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: average the memes by n_k."""
        return {MEME: parameters(server.models(MEME)[MEME].means())}

    def client_metrics(self, participant: Participant) -> dict[str, float]:
        """Client: measure both models. Server: measure the meme, as its own model learns nothing."""
        if participant.data.private is None:
            return self._meme(participant).measure()
        return participant.measure()

    def _meme(self, participant: Participant) -> Participant:
        return participant.other(MEME, self.meme)


def mutual(alpha: float, beta: float) -> Loss:
    """Return the sum of both models' losses."""

    def loss(step: Any) -> Any:
        (meme,) = step.beside
        own, common = step.scores.log_softmax(dim=-1), meme.scores.log_softmax(dim=-1)
        own_loss = alpha * step.loss + (1 - alpha) * divergence(common.detach(), own)
        return own_loss + beta * meme.loss + (1 - beta) * divergence(own.detach(), common)

    return loss


def divergence(wanted: Any, found: Any) -> Any:
    """Return KL(wanted | found) of logarithms of probabilities, [rows, classes], the mean over rows."""
    return (wanted.exp() * (wanted - found)).sum(dim=-1).mean()
