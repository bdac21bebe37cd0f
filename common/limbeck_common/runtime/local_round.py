"""One client's part of one round: downlink in, uplink out.

The network client, the simulation and the server's own model all do it here.
"""

import time

from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.learning.participant import Party
from limbeck_common.methods.method import Method
from limbeck_common.wire.codec import block_digest


def visit(method: Method, party: Party, downlink: Downlink, client: str) -> Uplink:
    """Learn from the teaching, then train and predict what is wanted.

    Metrics: `Method.figures`, `accuracy` and `loss` on the party's test rows among them, at the visit's end,
    `distilled_accuracy` and `distilled_loss` between the two steps, `seconds` for all. Clients are evaluated every
    `evaluate_every` rounds and at the end, the server's own model always.

    Raises:
        UserCodeError: the learner raised.
        RefusalError: its predictions have the wrong shape.
    """
    began = time.monotonic()
    every = party.spec.recipe.evaluate_every
    due = downlink.wanted is None or (every > 0 and downlink.round % every == 0)
    metrics: dict[str, float] = {}
    block = None
    if downlink.teaching is not None:
        method.learn(party, downlink.teaching, downlink.round - 1)
        if due and downlink.wanted is not None:
            metrics |= party.measure("distilled_")
    if downlink.wanted is not None:
        block = method.contribute(party, downlink.wanted, downlink.round)
    if due:
        metrics |= method.figures(party)
    metrics["seconds"] = time.monotonic() - began
    return Uplink(downlink.federation_id, client, downlink.round, block, metrics, block_digest(block))
