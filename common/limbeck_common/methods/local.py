"""No federation: the baseline that a method has to beat.

Each client trains on its private rows alone, for as many rounds as with another method. The rounds are real, but an
empty block goes up and an empty block comes down.
"""

from typing import ClassVar

import numpy as np

from limbeck_common.core.messages import NO_ROWS, Aggregate, Ask, Block, Kind, Rows, Space, soft_labels
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.method import Method, ServerContext, ServerRound


class Local(Method):
    """Training alone."""

    needs_open: ClassVar[bool] = False
    sends: ClassVar[Kind | None] = Kind.PROBABILITIES

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: ask for labels of no rows."""
        return Ask(Space.OPEN, Kind.PROBABILITIES)

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: train."""
        participant.fit()
        return nothing(participant.spec.output.width)

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: return an empty aggregate."""
        return Aggregate.to_all(nothing(server.context.spec.output.width))

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client and server: learn nothing."""


def nothing(classes: int) -> Block:
    """Return the labels of no rows."""
    return soft_labels(NO_ROWS, np.zeros((0, classes), np.float32))
