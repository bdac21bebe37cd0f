"""One participant's part of one round: aggregate in, contribution out.

The network client, the simulation and the server's own model all do it here.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.messages import Downlink
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method, metrics_of


@dataclass(frozen=True, eq=False)
class LocalResult:
    """What a local round leaves: the parts that were asked for, and metrics for people to read."""

    parts: Parts
    metrics: dict[str, float]


def local_round(method: Method, participant: Participant, downlink: Downlink) -> LocalResult:
    """Learn from the last round's aggregate, if there is one; then, unless the round is closing, train and contribute.

    The server's own model, which never contributes, gets each aggregate in a downlink without a plan. The metrics are
    the method's at the end, `distilled_accuracy` and `distilled_loss` between the two steps, and `seconds` for all of
    it. A client is evaluated every `evaluate_every` rounds and in the closing round, the server's own model always.

    Raises:
        UserCodeError: the learner raised, or the method returned other parts than it was asked for.
        RefusalError: the learner's predictions have the wrong shape.
    """
    began = time.monotonic()
    every = participant.spec.recipe.evaluate_every
    due = downlink.closing or (every > 0 and downlink.round % every == 0)
    client = ClientRound(participant, downlink.round, downlink.aggregate or {}, downlink.plan or {})
    metrics: dict[str, float] = {}
    parts: Parts = {}
    if downlink.aggregate is not None:
        method.client_receive(client)
        if due and not downlink.closing:
            metrics |= participant.measure("distilled_")
    if not downlink.closing:
        parts = method.client_update(client)
        if parts.keys() != client.plan.keys():
            raise UserCodeError(f"method {type(method).__name__} contributes {_say(parts)}", expected=_say(client.plan))
    if due:
        metrics |= metrics_of(method, participant)
    metrics["seconds"] = time.monotonic() - began
    return LocalResult(parts, metrics)


def _say(parts: Iterable[str]) -> str:
    return ", ".join(sorted(parts)) or "nothing"
