"""COMET: clients learn from those that predict as they do.

Y. J. Cho, J. Wang, T. Chirvolu, G. Joshi, "Communication-Efficient and Model-Heterogeneous Personalized Federated
Learning via Clustered Knowledge Transfer", IEEE Journal of Selected Topics in Signal Processing 17, 2023 (called
PerFed-CKT in arXiv 2109.08119). Each round the server clusters the clients by their predictions s(w_k, x) on open rows
x, with k-means. A client of cluster c minimises F_k(w) + lambda * mean over x of |s(w, x) - s_c(x)|^2, where s_c is the
cluster's average.

Departures: the two terms are minimised in turn, the second by the cross-entropy with s_c, so that learners of any
framework can take part; lambda scales the learning rate of distillation. s are probabilities. Clients are clustered by
all of the round's rows at once; SCARLET's code clusters by each row, and a client takes the nearest centre. k-means
starts from the first client and those furthest from the starts so far, not from random ones. New clients, clients whose
cluster no longer exists, and the server's model learn from the mean over all clients.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from limbeck_common.core.blocks import Block, Parts
from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import ALL, Aggregate, group
from limbeck_common.core.spec import Spec
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.math.kmeans import kmeans
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound, open_sample


class COMET(Method):
    """A mean of soft labels for each cluster of clients."""

    clusters: Annotated[PositiveInt, Field(description="Largest number of clusters of clients.")] = 3
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000
    weight: Annotated[PositiveFloat, Field(description="Weight of the cluster's average in learning (lambda).")] = 1.0

    def forms(self, spec: Spec) -> Forms:
        """Both: soft labels of open rows, up and down."""
        return Forms(up={"labels": Form.labels(spec.output)}, down={"labels": Form.labels(spec.output)})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: sample the round's open rows."""
        return {"labels": open_sample(server.spec, server.number, self.open_per_round)}

    def client_receive(self, client: ClientRound) -> None:
        """Client: train towards the cluster's average."""
        rate = client.participant.distill_recipe.learning_rate
        client.distill(client.aggregate["labels"], learning_rate=self.weight * rate)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train on the private data, and predict."""
        client.fit()
        return {"labels": client.predict("labels")}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: cluster the clients, and average in each cluster; everybody else gets the mean of all clients.

        A cluster's name holds its round: a client that missed rounds is then never taken for one of a later cluster.
        """
        names = [name for name, _ in server.uplinks()]
        clusters = kmeans(squared_distances(server), self.clusters)
        moves = {name: f"{server.number}.{cluster}" for name, cluster in zip(names, clusters, strict=True)}
        every = server.tally("labels")
        tallies = {
            name: Tally(every.keys, server.spec.output.row_shape, every.kind) for name in sorted(set(moves.values()))
        }
        for client, parts in server.uplinks():
            tallies[moves[client]].add(parts["labels"])

        def averaged(tally: Tally) -> dict[str, Block]:
            return {"labels": server.block("labels", tally.means())}

        clustered = {group(name): averaged(tally) for name, tally in tallies.items()}
        return Aggregate({ALL: {"labels": server.map_mean("labels", lambda mean: mean)}, **clustered}, moves)


def squared_distances(server: ServerRound) -> NDArray[np.float64]:
    """Return the squared distances between the clients' predictions, shape [clients, clients], clients by name."""
    total: NDArray[np.float64] = np.zeros(())
    for stack in server.stacks("labels"):
        wide = stack.astype(np.float64)
        total = total + np.stack([((wide - each) ** 2).sum(axis=(1, 2)) for each in wide])
    return total
