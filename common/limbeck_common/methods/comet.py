"""COMET: clients learn from those that predict as they do.

Y. J. Cho, J. Wang, T. Chirvolu, G. Joshi, "Communication-Efficient and Model-Heterogeneous Personalized Federated
Learning via Clustered Knowledge Transfer", IEEE Journal of Selected Topics in Signal Processing 17, 2023 (called
PerFed-CKT in arXiv 2109.08119). Each round the server clusters the clients by their predictions s(w_k, x) on open rows
x, with k-means. A client of cluster c minimises F_k(w) + lambda * mean over x of |s(w, x) - s_c(x)|^2, where s_c is the
cluster's average.

Departures: the two terms are minimised in turn, the second by the cross-entropy with s_c, so that learners of any
framework can take part; the recipe's epochs and learning rate for distillation stand for lambda. Clients are clustered
by all of the round's rows at once; SCARLET's code clusters by each row, and a client takes the nearest centre. k-means
starts from the first client and those furthest from the starts so far, not from random ones. New clients, clients whose
cluster no longer exists, and the server's model learn from the mean over all clients.
"""

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Space, soft_labels
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.dsfl import open_rows
from limbeck_common.methods.math.kmeans import kmeans
from limbeck_common.methods.method import Method, ServerContext, ServerRound


class COMET(Method):
    """A mean of soft labels for each cluster of clients."""

    sends: ClassVar[Kind | None] = Kind.PROBABILITIES
    clusters: Annotated[PositiveInt, Field(description="Largest number of clusters of clients.")] = 3
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: sample the round's open rows."""
        return Ask(Space.OPEN, Kind.PROBABILITIES, open_rows(context, number, self.open_per_round))

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: train on the private data, and predict."""
        participant.fit()
        return soft_labels(wanted, participant.predict(wanted))

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: cluster the clients, and average in each cluster; the group "" is all clients.

        A cluster's name holds its round: a client that missed rounds is then never taken for one of a later cluster.
        """
        names = [name for name, _ in server.uplinks()]
        clusters = kmeans(squared_distances(server), self.clusters)
        groups = {name: f"{server.number}.{cluster}" for name, cluster in zip(names, clusters, strict=True)}
        tallies = {
            group: Tally(server.ask.wanted.indices, server.context.spec.output.width, Kind.PROBABILITIES)
            for group in sorted(set(groups.values()))
        }
        for name, block in server.uplinks():
            tallies[groups[name]].add(block)

        def averaged(tally: Tally) -> Block:
            means = (mean.astype(np.float32) for mean in tally.means())
            return soft_labels(server.ask.wanted, server.collect(means))

        return Aggregate({group: averaged(tally) for group, tally in {"": server.tally, **tallies}.items()}, groups)

    def server_downlink(self, context: ServerContext, number: int, group: str, learned: int) -> Block | None:
        """Server: return the last round's average of the client's cluster, or else that of all."""
        return context.aggregate(number - 1, group) or context.aggregate(number - 1)

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client: train towards the cluster's average."""
        participant.distill(aggregate)


def squared_distances(server: ServerRound) -> NDArray[np.float64]:
    """Return the squared distances between the clients' predictions, shape [clients, clients], clients by name."""
    total: NDArray[np.float64] = np.zeros(())
    for stack in server.stacks():
        wide = stack.astype(np.float64)
        total = total + np.stack([((wide - each) ** 2).sum(axis=(1, 2)) for each in wide])
    return total
