"""A method with two groups of clients. A downlink's temperature shows the last round that its client has learned."""

from dataclasses import replace

import numpy as np

from limbeck_common.core.messages import Aggregate, Block, soft_labels
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.method import ServerContext, ServerRound


class Grouped(DSFL):
    """Client "a" gets the mean; all others get the mean with its classes in reverse."""

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        average = np.concatenate(list(server.tally.means())).astype(np.float32)
        wanted = server.ask.wanted
        others = {client: "reverse" for client, _ in server.uplinks() if client != "a"}
        return Aggregate({"": soft_labels(wanted, average), "reverse": soft_labels(wanted, average[:, ::-1])}, others)

    def server_downlink(self, context: ServerContext, number: int, group: str, learned: int) -> Block | None:
        block = context.aggregate(number - 1, group)
        return None if block is None else replace(block, temperature=10.0 + learned)
