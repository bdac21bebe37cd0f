"""Round aggregators without a coordinator, over any method or one that asks whatever a test wants asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.messages import Aggregate, Ask, Block, Rows, Shapes
from limbeck_common.core.spec import Spec
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.method import Method, ServerContext, ServerRound
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.aggregator import ServerContext as Context


def together(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(list(parts))


def context(spec: Spec, models: Mapping[str, Shapes] | None = None, **blocks: Block) -> Context:
    """Stand on rounds with one block for all clients: `round_1=block` and so on."""
    return Context(spec, models or {}, lambda number, group: None if group else blocks.get(f"round_{number}"))


@dataclass
class Past:
    """Stand on the aggregates of the rounds so far, each one block for all; more may be added."""

    spec: Spec
    blocks: dict[int, Block] = field(default_factory=dict)
    models: dict[str, Shapes] = field(default_factory=dict)

    def aggregate(self, number: int, group: str = "") -> Block | None:  # noqa: ARG002 - one group
        return self.blocks.get(number)


def aggregated(
    method: Method, context: Context, uplinks: Mapping[str, Block] | None = None, number: int = 1
) -> RoundAggregator:
    """Check and count in each client's block, in the order given; they are stored by name."""
    stored = sorted((uplinks or {}).items())
    made = RoundAggregator(method, context, number, lambda: iter(stored), together)
    for block in (uplinks or {}).values():
        received, group = made.check(block)
        assert received is not None
        made.add(received, group)
    return made


class Asking(Method):
    """Ask for `ask` in every round, and aggregate nothing."""

    ask: Any

    def server_plan(self, context: ServerContext, number: int) -> Ask:  # noqa: ARG002
        ask: Ask = self.ask
        return ask

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        raise NotImplementedError

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        raise NotImplementedError

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        raise NotImplementedError
