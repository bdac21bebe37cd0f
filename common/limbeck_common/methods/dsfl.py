"""DS-FL: distillation-based semi-supervised federated learning.

S. Itahara, T. Nishio, Y. Koda, M. Morikura, K. Yamamoto, "Distillation-Based Semi-Supervised Federated Learning for
Communication-Efficient Collaborative Training with Non-IID Private Data", IEEE Transactions on Mobile Computing, 2021
(arXiv 2008.06180), Algorithm 1. A round is: update, predict, upload, aggregate, broadcast, distill.

Departures: the client distills on round r's teaching at the start of round r + 1, in the same visit in which it
trains again (the order of steps is the paper's, and a client connects once a round); a closing round lets every client
distill on the last one.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from limbeck_common.config import Section, Spec
from limbeck_common.exact import Tally
from limbeck_common.learning.party import Party
from limbeck_common.messages import Block, Rows, soft_labels
from limbeck_common.seeds import Sample, derive


class DSFL(Section):
    """DS-FL with entropy-reduction aggregation (`era`) or simple averaging (`sa`)."""

    aggregation: Literal["era", "sa"] = "era"
    temperature: Annotated[float, Field(gt=0, description="T of the entropy reduction")] = 0.1
    open_per_round: Annotated[PositiveInt, Field(description="open rows a round")] = 1000

    def plan(self, spec: Spec, number: int) -> Rows:
        """Server: sample the round's open rows o_r, uniformly and without replacement."""
        seed = derive(spec.seed, "open rows", number)
        return Rows.drawn(Sample(seed, min(self.open_per_round, spec.open_rows), spec.open_rows))

    def contribute(self, party: Party, wanted: Rows) -> Block:
        """Client: 1. update the model on the private data; 2. predict soft labels for the open rows."""
        party.fit()
        return soft_labels(wanted, party.predict(wanted))

    def teach(self, tally: Tally) -> Iterator[NDArray[np.float32]]:
        """Server: 4. aggregate the soft labels t_k into the teaching, shape [open_per_round, classes]."""
        for mean in tally.means():
            yield (era(mean, self.temperature) if self.aggregation == "era" else mean).astype(np.float32)

    def distill(self, party: Party, teaching: Block) -> None:
        """Client and server: 6. train on the open rows towards the teaching."""
        party.distill(teaching)


def era(mean: NDArray[np.float64], temperature: float) -> NDArray[Any]:
    """Entropy reduction: softmax(mean / T) of each row, shape [rows, classes]; a low T sharpens a row that leads.

    The softmax is taken of the averaged probabilities themselves, not of their logarithms, as in the paper.
    """
    scaled = mean / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    sums: NDArray[Any] = powers / powers.sum(axis=1, keepdims=True)
    return sums
