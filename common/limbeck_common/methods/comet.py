"""COMET: clients learn from those that predict as they do.

Y. J. Cho, J. Wang, T. Chirvolu, G. Joshi, "Communication-Efficient and Model-Heterogeneous Personalized Federated
Learning via Clustered Knowledge Transfer", IEEE Journal of Selected Topics in Signal Processing 17, 2023 (called
PerFed-CKT in arXiv 2109.08119). Each round the server clusters the clients by their predictions s(w_k, x) on open rows
x, with k-means. A client of cluster c minimises F_k(w) + lambda * mean over x of |s(w, x) - s_c(x)|^2, where s_c is the
cluster's average.

Departures: the two terms are minimised in turn, the second by the cross-entropy with s_c, so that learners of any
framework can take part; lambda is in the recipe's epochs and rates for the aggregate. Clients are clustered by all the
round's rows at once; SCARLET's code clusters by each row, and a client takes the nearest centre. k-means starts from
the first client and those furthest from the starts so far, not from random ones. Who is new, or was in a cluster that
is no more, and the server's own model learn from the average of all.
"""

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from limbeck_common.core.exact_sums import Tally
from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Space, soft_labels
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.dsfl import open_rows
from limbeck_common.methods.method import Method, ServerContext, ServerRound

_STEPS = 100  # of k-means, which settles long before on so few points


class COMET(Method):
    """A mean of soft labels for each cluster of clients."""

    sends: ClassVar[Kind | None] = Kind.PROBABILITIES
    clusters: Annotated[PositiveInt, Field(description="of clients, at most")] = 3
    open_per_round: Annotated[PositiveInt, Field(description="open rows a round")] = 1000

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: sample the round's open rows."""
        return Ask(Space.OPEN, Kind.PROBABILITIES, open_rows(context, number, self.open_per_round))

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:  # noqa: ARG002 - all rounds are alike
        """Client: train on the private data, and predict."""
        participant.fit()
        return soft_labels(wanted, participant.predict(wanted))

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: cluster the clients, and average in each; the group "" is all.

        A cluster is of its round alone: who was away in it would otherwise find itself in a later one of that name.
        """
        names = [name for name, _ in server.uplinks()]
        clusters = kmeans(squared_distances(server), self.clusters)
        groups = {name: f"{server.number}.{cluster}" for name, cluster in zip(names, clusters, strict=True)}
        tallies = {
            group: Tally(server.ask.wanted.indices, server.context.spec.classes, Kind.PROBABILITIES)
            for group in sorted(set(groups.values()))
        }
        for name, block in server.uplinks():
            tallies[groups[name]].add(block)

        def averaged(tally: Tally) -> Block:
            means = (mean.astype(np.float32) for mean in tally.means())
            return soft_labels(server.ask.wanted, server.collect(means))

        return Aggregate({group: averaged(tally) for group, tally in {"": server.tally, **tallies}.items()}, groups)

    def server_downlink(self, context: ServerContext, number: int, group: str, learned: int) -> Block | None:  # noqa: ARG002 - as `Method`
        """Server: the cluster's average of the round before, or that of all."""
        return context.aggregate(number - 1, group) or context.aggregate(number - 1)

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:  # noqa: ARG002 - all rounds are alike
        """Client: train towards the cluster's average."""
        participant.distill(aggregate)


def squared_distances(server: ServerRound) -> NDArray[np.float64]:
    """Return the squared distances between the clients' predictions, shape [clients, clients], clients by name."""
    total: NDArray[np.float64] = np.zeros(())
    for stack in server.stacks():
        wide = stack.astype(np.float64)
        total = total + np.stack([((wide - each) ** 2).sum(axis=(1, 2)) for each in wide])
    return total


def kmeans(squares: NDArray[np.float64], clusters: int) -> list[int]:
    """Return each point's cluster, from the points' squared distances, shape [points, points].

    Clusters are numbered by their first point. The squared distance to a cluster's mean is the mean squared distance to
    its points, less half of that among them.
    """
    starts = [0]
    while len(starts) < min(clusters, len(squares)):
        starts.append(int(squares[:, starts].min(axis=1).argmax()))
    labels = squares[:, starts].argmin(axis=1)
    for _ in range(_STEPS):
        members = [np.flatnonzero(labels == cluster) for cluster in np.unique(labels)]
        means = [squares[:, each].mean(axis=1) - squares[np.ix_(each, each)].mean() / 2 for each in members]
        found = np.argmin(means, axis=0)
        if np.array_equal(found, labels):
            break
        labels = found
    order = list(dict.fromkeys(labels.tolist()))
    return [order.index(label) for label in labels.tolist()]
