"""No federation: the floor that a method has to rise above.

Each client trains on its private rows alone, for as many rounds as the others. The rounds are real ones, in which
nothing is said: an empty block goes up, an empty one comes down.
"""

from typing import ClassVar

import numpy as np

from limbeck_common.core.messages import NO_ROWS, Block, Kind, Rows, Space, Task, Teaching, soft_labels
from limbeck_common.learning.participant import Party
from limbeck_common.methods.method import Gathered, Ground, Method


class Local(Method):
    """Training alone."""

    needs_open: ClassVar[bool] = False
    sends: ClassVar[Kind | None] = Kind.PROBABILITIES

    def plan(self, ground: Ground, number: int) -> Task:  # noqa: ARG002 - all rounds are alike
        """Server: ask for labels of no rows."""
        return Task(Space.OPEN, Kind.PROBABILITIES)

    def contribute(self, party: Party, wanted: Rows, number: int) -> Block:  # noqa: ARG002 - all rounds are alike
        """Client: train."""
        party.fit()
        return nothing(party.spec.classes)

    def teach(self, gathered: Gathered) -> Teaching:
        """Server: say nothing."""
        return Teaching.to_all(nothing(gathered.ground.spec.classes))

    def learn(self, party: Party, teaching: Block, number: int) -> None:
        """Client and server: learn nothing."""


def nothing(classes: int) -> Block:
    """Return the labels of no rows."""
    return soft_labels(NO_ROWS, np.zeros((0, classes), np.float32))
