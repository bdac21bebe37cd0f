"""One participant's part of one round: aggregate in, contribution out.

The network client, the simulation and the server's own model all do it here.
"""

import time
from dataclasses import dataclass

from limbeck_common.core.messages import Block, Rows
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.method import Method


@dataclass(frozen=True, eq=False)
class LocalResult:
    """What a local round leaves: a contribution, if one was wanted, and metrics for people to read."""

    contribution: Block | None
    metrics: dict[str, float]


def local_round(
    method: Method, participant: Participant, number: int, aggregate: Block | None, wanted: Rows | None
) -> LocalResult:
    """Learn from the last round's aggregate, if there is one; then, unless `wanted` is None, train and contribute.

    `wanted` is None in the closing round and for the server's own model. The metrics are `Method.client_metrics` at the
    end, `distilled_accuracy` and `distilled_loss` between the two steps, and `seconds` for all of it. A client is
    evaluated every `evaluate_every` rounds and in the closing round, the server's own model always.

    Raises:
        UserCodeError: the learner raised.
        RefusalError: its predictions have the wrong shape.
    """
    began = time.monotonic()
    every = participant.spec.recipe.evaluate_every
    due = wanted is None or (every > 0 and number % every == 0)
    metrics: dict[str, float] = {}
    contribution = None
    if aggregate is not None:
        method.client_receive(participant, aggregate, number - 1)
        if due and wanted is not None:
            metrics |= participant.measure("distilled_")
    if wanted is not None:
        contribution = method.client_update(participant, wanted, number)
    if due:
        metrics |= method.client_metrics(participant)
    metrics["seconds"] = time.monotonic() - began
    return LocalResult(contribution, metrics)
