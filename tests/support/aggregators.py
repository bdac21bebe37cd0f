"""Round aggregators without a coordinator, over any method or one that asks whatever a test wants asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.blocks import Block, Parts, Shapes
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import ALL, Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import PastRounds, ServerRound
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.open_round import History


def together(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(list(parts))


def history(spec: Spec, architectures: Mapping[str, Shapes] | None = None, **parts: Parts) -> History:
    """Stand on rounds with parts for all clients: `round_1=parts` and so on."""
    known = {int(name.removeprefix("round_")): each for name, each in parts.items()}
    return History(spec, architectures or {}, lambda number, who: known.get(number) if who == ALL else None)


@dataclass
class Past:
    """Stand on the aggregates of the rounds so far, each for all; more may be added."""

    spec: Spec
    parts: dict[int, Parts] = field(default_factory=dict)
    architectures: dict[str, Shapes] = field(default_factory=dict)

    def aggregate(self, number: int, audience: str = ALL) -> Parts | None:  # noqa: ARG002 - one audience
        return self.parts.get(number)


def aggregated(
    method: Method, past: PastRounds, uplinks: Mapping[str, Parts | Block] | None = None, number: int = 1
) -> RoundAggregator:
    """Check and count in each client's parts, in the order given; they are stored by name.

    A block stands for the only part that the round asks for.
    """
    history = past if isinstance(past, History) else History(past.spec, past.architectures, past.aggregate)
    stored: list[tuple[str, Parts]] = []
    made = RoundAggregator(method, history, number, lambda: iter(stored), together)
    brought = {client: _named(made, each) for client, each in (uplinks or {}).items()}
    stored += sorted(brought.items())
    for parts in brought.values():
        received, architecture = made.check(parts)
        made.add(received, architecture)
    return made


def _named(made: RoundAggregator, given: Parts | Block) -> Parts:
    if not isinstance(given, Block):
        return given
    (part,) = made.round.plan
    return {part: given}


class Asking(Method):
    """Ask for one part in every round, `labels` unless a test names it, and aggregate nothing."""

    form: Any
    rows: Any = None
    part: str = "labels"

    def forms(self, spec: Spec) -> Forms:  # noqa: ARG002
        form: Form = self.form
        return Forms({self.part: form}, {self.part: form})

    def server_plan(self, server: ServerRound) -> Plan:  # noqa: ARG002
        return {self.part: self.rows}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        raise NotImplementedError

    def client_update(self, client: ClientRound) -> Parts:
        raise NotImplementedError

    def client_receive(self, client: ClientRound) -> None:
        raise NotImplementedError
