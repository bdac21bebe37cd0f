"""Selective-FD: clients answer only for open rows like their own, and the server drops what stays ambiguous.

J. Shao, F. Wu, J. Zhang, "Selective knowledge sharing for privacy-preserving federated distillation without a good
teacher", Nature Communications 15:349, 2024 (arXiv 2304.01731). Client-side selector: KuLSIF estimates the ratio of the
density of the client's rows to an auxiliary one; the client abstains on open rows whose ratio is under a threshold, a
quantile of the ratios of rows of its own that the estimate has not seen. Server-side selector: a row whose ensemble
prediction p is further than tau_server from its one-hot label, |p - onehot(argmax p)|_1, is dropped. Clients train on
their rows, then distil on the ensemble's.

Departures: the auxiliary rows are open ones, in place of uniform noise, and lambda is smaller, so that the estimate
tells a client's rows from others' and not only images from noise: between digits and uniform noise the kernel is almost
zero, and what remains is a kernel density. The authors' public code has no server-side selector, and SCARLET's switches
it off by default; tau_server = 0.5, which keeps averages of 0.75 and more, is ours. Widths are per pixel, in standard
deviations: the code's 5 is 5 / sqrt(784) = 0.18 here. Its quantile is 0.25. The selection is made once and kept.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from limbeck_common.core.blocks import Parts, Rows
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.seeds import Sample, derive
from limbeck_common.core.spec import Spec
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.math.kulsif import Floats, density_ratio, standardised
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound, open_sample

_ALIKE = "alike"


class SelectiveFD(Method):
    """Averaged soft labels, each from the clients that know rows like it."""

    open_per_round: Annotated[PositiveInt, Field(description="Open rows per round.")] = 1000
    quantile: Annotated[
        float, Field(ge=0, lt=1, description="Share of its own rows that a client would abstain on.")
    ] = 0.1
    ambiguity: Annotated[
        PositiveFloat, Field(le=2, description="Largest distance of an average from its one-hot label (tau_server).")
    ] = 0.5
    width: Annotated[PositiveFloat, Field(description="Width of the kernel per pixel, in standard deviations.")] = 0.4
    strength: Annotated[PositiveFloat, Field(description="Regularisation of the density-ratio estimate (lambda).")] = (
        1e-4
    )
    known_rows: Annotated[
        PositiveInt, Field(description="Private rows for the estimate; at most half of them are used.")
    ] = 2000
    auxiliary_rows: Annotated[PositiveInt, Field(description="Open rows for the estimate.")] = 2000

    def forms(self, spec: Spec) -> Forms:
        """Both: soft labels of open rows; a client, and the server, may leave out any of them."""
        labels = Form.labels(spec.output, partial=True)
        return Forms(up={"labels": labels}, down={"labels": labels})

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: sample the round's open rows."""
        return {"labels": open_sample(server.spec, server.number, self.open_per_round)}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: distil, unless every row was ambiguous."""
        labels = client.aggregate["labels"]
        if len(labels.rows):
            client.distill(labels)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train, and predict those wanted rows that are like its own."""
        if _ALIKE not in client.memory:
            client.memory[_ALIKE] = self.alike(client.participant)
        client.fit()
        wanted = client.rows("labels").indices
        return {"labels": client.predict("labels", Rows(wanted[client.memory[_ALIKE][wanted]]))}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: average over the clients that answered, and drop the rows on which the average is ambiguous."""
        answered = server.tally("labels").answered.indices
        clear = clear_rows(server.means("labels"), self.ambiguity)
        kept = _kept(server.means("labels"), clear)
        return {"labels": server.block("labels", kept, Rows(answered[clear]))}

    def alike(self, participant: Participant) -> NDArray[np.bool_]:
        """Return which open rows are like the client's own, shape [open_rows]."""
        seed, rows = participant.spec.seed, participant.private_rows
        known = Sample(derive(seed, "known rows"), min(self.known_rows, max(1, rows // 2)), rows).draw()
        unseen = np.setdiff1d(np.arange(rows), known) if rows > 1 else known
        count = len(participant.open_rows)
        drawn = Sample(derive(seed, "auxiliary rows"), min(2 * self.auxiliary_rows, count), count).draw()
        features = standardised(participant.open_rows, participant.open_rows)
        own = standardised(participant.private.x, participant.open_rows)

        def judged(auxiliary: NDArray[np.int64], rows: Floats) -> NDArray[np.bool_]:
            ratio = density_ratio(own[known], features[auxiliary], self.width, self.strength)
            chosen: NDArray[np.bool_] = ratio(rows) >= np.quantile(ratio(own[unseen]), self.quantile)
            return chosen

        first, second = drawn[::2], drawn[1::2]
        chosen = judged(first, features)
        if len(second):  # an estimate is too low at its own auxiliary rows: the second estimate judges those
            chosen[first] = judged(second, features[first])
        return chosen


def apart(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's distance from its one-hot label, |p - onehot(argmax p)|_1 = 2 (1 - max p), shape [rows]."""
    distances: NDArray[np.float64] = 2 * (1 - means.max(axis=1))
    return distances


def clear_rows(means: Iterator[NDArray[np.float64]], ambiguity: float) -> NDArray[np.bool_]:
    """Return which rows of the means are within `ambiguity` of their one-hot label, shape [rows]."""
    return np.concatenate([np.zeros(0, np.bool_), *(apart(mean) <= ambiguity for mean in means)])


def _kept(means: Iterator[NDArray[np.float64]], kept: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Yield the kept rows of the means in slices."""
    start = 0
    for mean in means:
        yield mean[kept[start : start + len(mean)]]
        start += len(mean)
