"""A method that teaches two groups apart, and shows in a brief's temperature what its client has begun."""

from dataclasses import replace

import numpy as np

from limbeck_common.core.messages import Block, Teaching, soft_labels
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.method import Gathered, Ground


class Grouped(DSFL):
    """Client "a" is taught the average; all others the average with its classes in reverse."""

    def teach(self, gathered: Gathered) -> Teaching:
        average = np.concatenate(list(gathered.tally.means())).astype(np.float32)
        wanted = gathered.task.wanted
        others = {client: "reverse" for client, _ in gathered.uplinks() if client != "a"}
        return Teaching({"": soft_labels(wanted, average), "reverse": soft_labels(wanted, average[:, ::-1])}, others)

    def brief(self, ground: Ground, number: int, group: str, learned: int) -> Block | None:
        block = ground.teaching(number - 1, group)
        return None if block is None else replace(block, temperature=10.0 + learned)
