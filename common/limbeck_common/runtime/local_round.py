"""One client's part of one round: downlink in, uplink out.

The network client, the simulation and the server's own model all do it here.
"""

import time

from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.method import Method
from limbeck_common.wire.codec import block_digest


def local_round(method: Method, participant: Participant, downlink: Downlink, client: str) -> Uplink:
    """Learn from the aggregate, then train and predict what is wanted.

    Metrics: `Method.client_metrics`, `accuracy` and `loss` on the participant's test rows among them, at the end,
    `distilled_accuracy` and `distilled_loss` between the two steps, `seconds` for all. Clients are evaluated every
    `evaluate_every` rounds and at the end, the server's own model always.

    Raises:
        UserCodeError: the learner raised.
        RefusalError: its predictions have the wrong shape.
    """
    began = time.monotonic()
    every = participant.spec.recipe.evaluate_every
    due = downlink.wanted is None or (every > 0 and downlink.round % every == 0)
    metrics: dict[str, float] = {}
    block = None
    if downlink.aggregate is not None:
        method.client_receive(participant, downlink.aggregate, downlink.round - 1)
        if due and downlink.wanted is not None:
            metrics |= participant.measure("distilled_")
    if downlink.wanted is not None:
        block = method.client_update(participant, downlink.wanted, downlink.round)
    if due:
        metrics |= method.client_metrics(participant)
    metrics["seconds"] = time.monotonic() - began
    return Uplink(downlink.federation_id, client, downlink.round, block, metrics, block_digest(block))
