"""No federation: the baseline that a method has to beat.

Each client trains on its private rows alone, for as many rounds as with another method. The rounds are real, but
uplinks and aggregates have no parts.
"""

from typing import ClassVar

from limbeck_common.core.blocks import Parts
from limbeck_common.core.form import Forms, Plan
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import ServerRound


class Local(Method):
    """Training alone."""

    needs_open: ClassVar[bool] = False

    def forms(self, spec: Spec) -> Forms:
        """Both: nothing."""
        return Forms()

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for nothing."""
        return {}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: learn nothing."""

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train."""
        client.fit()
        return {}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: return an empty aggregate."""
        return {}
