"""DS-FL: distillation-based semi-supervised federated learning.

S. Itahara, T. Nishio, Y. Koda, M. Morikura, K. Yamamoto, "Distillation-Based Semi-Supervised Federated Learning for
Communication-Efficient Collaborative Training with Non-IID Private Data", IEEE Transactions on Mobile Computing, 2021
(arXiv 2008.06180), Algorithm 1. A round is: update, predict, upload, aggregate, broadcast, distill.

Two options beside it: labels weighed per row by the client's certainty, as in FedAUX (F. Sattler, T. Korjakow, R.
Rischke, W. Samek, IEEE Transactions on Neural Networks and Learning Systems, 2021, arXiv 2102.02514), and an average
over rounds, whose share of the past is `smoothing`.

Departures: a client distills on round r's aggregate at the start of round r + 1, just before it trains again (the order
of steps is the paper's, and a client connects once per round); a closing round lets every client distill on the last
aggregate.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from limbeck_common.core.arrays.encodings import FLOAT16, FLOAT32, Encoding, Top
from limbeck_common.core.blocks import Parts
from limbeck_common.core.form import Form, Forms, Plan, Weights
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.softmax import softmax
from limbeck_common.core.spec import Spec
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.options.certainty import certainties
from limbeck_common.methods.options.robust_method import RobustMethod
from limbeck_common.methods.options.smoothing import smoothed
from limbeck_common.methods.server_round import ServerRound, open_sample


class DSFL(RobustMethod):
    """DS-FL with entropy-reduction aggregation (`era`), simple averaging (`sa`) or enhanced ERA (`eera`)."""

    aggregation: Literal["era", "sa", "eera"] = "era"
    temperature: Annotated[PositiveFloat, Field(description="T of the entropy reduction; lower is sharper.")] = 0.1
    beta: Annotated[PositiveFloat, Field(description="Exponent of enhanced ERA; above 1 sharpens.")] = 1.5
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000
    half: Annotated[bool, Field(description="Send labels as 16-bit floats both ways: half the bytes.")] = False
    top: Annotated[
        NonNegativeInt, Field(description="Send the so many largest probabilities per row both ways; 0 for all.")
    ] = 0
    certainty: Annotated[
        bool, Field(description="Weigh each client's label of a row by how much the row is like the client's own.")
    ] = False
    smoothing: Annotated[
        float, Field(ge=0, lt=1, description="Share of the last aggregate's label of a row, where it has the row.")
    ] = 0.0

    def forms(self, spec: Spec) -> Forms:
        """Both: soft labels of open rows, up and down."""
        labels = Form.labels(spec.output, self.encoding)
        weighed = replace(labels, weights=Weights.KEY) if self.certainty else labels
        return Forms(up={"labels": weighed}, down={"labels": labels})

    @property
    def encoding(self) -> Encoding:
        """How labels travel."""
        return Top(self.top) if self.top else FLOAT16 if self.half else FLOAT32

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: sample the round's open rows o_r, uniformly and without replacement."""
        return {"labels": open_sample(server.spec, server.number, self.open_per_round)}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: 6. train on the open rows towards the aggregate."""
        client.distill(client.aggregate["labels"])

    def client_update(self, client: ClientRound) -> Parts:
        """Client: 1. update the model on the private data; 2. predict soft labels for the open rows."""
        client.fit()
        labels = client.predict("labels")
        return {"labels": replace(labels, weight=certainties(client, labels.rows)) if self.certainty else labels}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: 4. aggregate the soft labels t_k, shape [open_per_round, classes]."""
        fresh = map(self.sharpen, self.means(server, "labels"))
        return {"labels": server.block("labels", smoothed(server, fresh, self.smoothing))}

    def sharpen(self, mean: NDArray[np.float64]) -> NDArray[Any]:
        """Return averaged soft labels, shape [rows, classes], sharpened as `aggregation` says."""
        if self.aggregation == "sa":
            return mean
        return era(mean, self.temperature) if self.aggregation == "era" else eera(mean, self.beta)


def era(mean: NDArray[np.float64], temperature: float) -> NDArray[Any]:
    """Entropy reduction: softmax(mean / T) of each row, shape [rows, classes]; a low T sharpens.

    The softmax is taken of the averaged probabilities themselves, not of their logarithms, as in the paper.

    >>> era(np.array([[0.6, 0.4]]), temperature=0.1).round(2)
    array([[0.88, 0.12]])
    """
    return softmax(mean, temperature)


def eera(mean: NDArray[np.float64], beta: float) -> NDArray[Any]:
    """Enhanced entropy reduction: mean^beta / sum of mean^beta of each row, shape [rows, classes].

    From SCARLET (Azuma et al. 2026, arXiv 2504.19602). beta = 1 is simple averaging; above 1 it sharpens.

    >>> eera(np.array([[0.6, 0.4]]), beta=2.0).round(2)
    array([[0.69, 0.31]])
    """
    mean = np.maximum(mean, 0)  # rounding may leave a probability a last bit below 0, which has no fractional power
    powers = (mean / mean.max(axis=1, keepdims=True)) ** beta
    sums: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return sums
