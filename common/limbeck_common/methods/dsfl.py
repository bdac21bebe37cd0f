"""DS-FL: distillation-based semi-supervised federated learning.

S. Itahara, T. Nishio, Y. Koda, M. Morikura, K. Yamamoto, "Distillation-Based Semi-Supervised Federated Learning for
Communication-Efficient Collaborative Training with Non-IID Private Data", IEEE Transactions on Mobile Computing, 2021
(arXiv 2008.06180), Algorithm 1. A round is: update, predict, upload, aggregate, broadcast, distill.

Departures: a client distills on round r's aggregate at the start of round r + 1, just before it trains again (the order
of steps is the paper's, and a client connects once per round); a closing round lets every client distill on the last
aggregate.
"""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Space, soft_labels
from limbeck_common.core.seeds import Sample, derive
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.math.softmax import softmax
from limbeck_common.methods.method import ServerContext, ServerRound
from limbeck_common.methods.robust_method import RobustMethod


class DSFL(RobustMethod):
    """DS-FL with entropy-reduction aggregation (`era`), simple averaging (`sa`) or enhanced ERA (`eera`)."""

    sends: ClassVar[Kind | None] = Kind.PROBABILITIES
    aggregation: Literal["era", "sa", "eera"] = "era"
    temperature: Annotated[PositiveFloat, Field(description="T of the entropy reduction; lower is sharper.")] = 0.1
    beta: Annotated[PositiveFloat, Field(description="Exponent of enhanced ERA; above 1 sharpens.")] = 1.5
    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000
    half: Annotated[bool, Field(description="Send labels as 16-bit floats both ways: half the bytes.")] = False

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: sample the round's open rows o_r, uniformly and without replacement."""
        return self.asking(open_rows(context, number, self.open_per_round))

    def asking(self, rows: Rows) -> Ask:
        """Server: ask for the soft labels of `rows`."""
        return Ask(Space.OPEN, Kind.PROBABILITIES, rows, dtype=self.element)

    @property
    def element(self) -> str:
        """The element type of labels, as NumPy writes it."""
        return "<f2" if self.half else "<f4"

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: 1. update the model on the private data; 2. predict soft labels for the open rows."""
        participant.fit()
        return soft_labels(wanted, participant.predict(wanted).astype(self.element))

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: 4. aggregate the soft labels t_k into the aggregate, shape [open_per_round, classes]."""
        labels = (self.sharpen(mean).astype(self.element) for mean in self.means(server))
        return Aggregate.to_all(soft_labels(server.ask.wanted, server.collect(labels)))

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client and server: 6. train on the open rows towards the aggregate."""
        participant.distill(aggregate)

    def sharpen(self, mean: NDArray[np.float64]) -> NDArray[Any]:
        """Return averaged soft labels, shape [rows, classes], sharpened as `aggregation` says."""
        if self.aggregation == "sa":
            return mean
        return era(mean, self.temperature) if self.aggregation == "era" else eera(mean, self.beta)


def open_rows(context: ServerContext | Participant, number: int, count: int) -> Rows:
    """Return round `number`'s sample of `count` open rows, or all rows if there are fewer."""
    spec = context.spec
    return Rows.drawn(Sample(derive(spec.seed, "open rows", number), min(count, spec.open_rows), spec.open_rows))


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
