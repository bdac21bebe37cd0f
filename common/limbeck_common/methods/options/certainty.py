"""How much open rows are like a client's own: weights per row, as in FedAUX.

F. Sattler, T. Korjakow, R. Rischke, W. Samek, "FedAUX: Leveraging Unlabeled Auxiliary Data in Federated Learning", IEEE
Transactions on Neural Networks and Learning Systems, 2021 (arXiv 2102.02514): a client scores each open row by a
classifier that tells its private rows from auxiliary ones, and the server weighs its label of the row by the score.

Departures: the score is r / (1 + r) with KuLSIF's estimate r of the ratio of both densities on the rows themselves, as
the best classifier would say; the authors fit logistic regression on features of a pre-trained network, with noise for
differential privacy. There is no pre-training here.
"""

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.seeds import Sample, derive
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.math.kulsif import density_ratio, standardised

_STEPS = 1000  # a weight is a whole number: the score's thousandths
_ROWS = 2000  # private and open rows, each, for the estimate
_WIDTH = 0.4  # of the kernel, per value, in standard deviations
_STRENGTH = 1e-4
_KEPT = "certainties"


def certainties(client: ClientRound, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a weight for each of some open rows, 1 to 1,001, shape [rows]. They are computed once, and remembered."""
    if _KEPT not in client.memory:
        participant = client.participant
        own, every = participant.private.x, participant.open_rows
        seed = derive(participant.spec.seed, "certainties")
        known = Sample(seed, min(_ROWS, len(own)), len(own)).draw()
        auxiliary = Sample(seed, min(_ROWS, len(every)), len(every)).draw()
        features = standardised(every, every)
        ratio = density_ratio(standardised(own[known], every), features[auxiliary], _WIDTH, _STRENGTH)
        found = np.maximum(ratio(features), 0)
        client.memory[_KEPT] = np.rint(_STEPS * found / (1 + found)).astype(np.int64) + 1
    weights: NDArray[np.int64] = client.memory[_KEPT][rows]
    return weights
