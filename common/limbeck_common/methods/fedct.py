"""FedCT: federated co-training. Clients share one class per open row, and learn the majority's.

A. Abourayya, J. Kleesiek, K. Rao, E. Ayday, B. Rao, G. I. Webb, M. Kamp, "Little is Enough: Boosting Privacy by Sharing
Only Hard Labels in Federated Semi-Supervised Learning", AAAI 2025 (arXiv 2310.05696), Algorithm 1. In each round
clients train, and predict a class for every open row; the server takes the class with the most votes, and clients add
the open rows with these labels to their training data. Any learner can take part, forests and rules too.

Departures: clients learn the private rows and the labelled open rows in turn, not as one set, each for the recipe's
epochs; a learner that refits takes them together. A round may ask for a part of the open rows. The paper's other
consensus mechanisms and its noise for differential privacy are not here.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from limbeck_common.core.arrays.encodings import OneClass
from limbeck_common.core.blocks import Parts, Space
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound, open_sample


class FedCT(Method):
    """The majority's classes of open rows."""

    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000

    def forms(self, spec: Spec) -> Forms:
        """Both: one class per open row, up and down."""
        votes = Form(Kind.VOTES, Space.OPEN, spec.output.row_shape, (OneClass(),))
        return Forms(up={"votes": votes}, down={"votes": votes})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: sample the round's open rows."""
        return {"votes": open_sample(server.spec, server.number, self.open_per_round)}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: learn the majority's classes."""
        client.distill(client.aggregate["votes"])

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train on the private rows, and predict."""
        client.fit()
        return {"votes": client.predict("votes")}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: take the class with the most votes; of several with as many, the first."""
        return {"votes": server.map_mean("votes", majority)}


def majority(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a 1 for the class with the largest share of each row's votes, [rows, classes], and zeros.

    >>> majority(np.array([[0.2, 0.5, 0.3], [0.5, 0.5, 0.0]]))
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    votes: NDArray[np.float64] = np.eye(shares.shape[-1])[shares.argmax(axis=-1)]
    return votes
