"""A method with two groups of clients. A downlink's weight shows the last round that its client has learned."""

from dataclasses import replace

from limbeck_common.core.blocks import Parts
from limbeck_common.core.messages import ALL, Aggregate, group
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.server_round import PastRounds, Recipient, ServerRound


class Grouped(DSFL):
    """Client "a" gets the mean; all others get the mean with its classes in reverse."""

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        moves = {client: "reverse" for client, _ in server.uplinks() if client != "a"}
        mean = {"labels": server.map_mean("labels", lambda mean: mean)}
        reverse = {"labels": server.map_mean("labels", lambda mean: mean[:, ::-1])}
        return Aggregate({ALL: mean, group("reverse"): reverse}, moves)

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        parts = server.aggregate(client.round - 1, group(client.group) if client.group else ALL)
        return None if parts is None else {"labels": replace(parts["labels"], weight=10 + client.learned)}
