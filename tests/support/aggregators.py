"""Gatherings without a coordinator, over any method or one that asks whatever a test wants asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.messages import Block, Rows, Shapes, Task, Teaching
from limbeck_common.core.spec import Spec
from limbeck_common.learning.participant import Party
from limbeck_common.methods.method import Gathered, Ground, Method
from limbeck_server.round import aggregator as gathering


def together(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(list(parts))


def ground(spec: Spec, models: Mapping[str, Shapes] | None = None, **taught: Block) -> gathering.Ground:
    """Stand on what rounds taught all clients: `round_1=block` and so on."""
    return gathering.Ground(spec, models or {}, lambda number, group: None if group else taught.get(f"round_{number}"))


@dataclass
class Past:
    """Stand on what the rounds so far have taught, and let more be added."""

    spec: Spec
    taught: dict[int, Block] = field(default_factory=dict)
    models: dict[str, Shapes] = field(default_factory=dict)

    def teaching(self, number: int, group: str = "") -> Block | None:  # noqa: ARG002 - one group
        return self.taught.get(number)


def gathered(
    method: Method, ground: gathering.Ground, uplinks: Mapping[str, Block] | None = None, number: int = 1
) -> gathering.Gathering:
    """Check and count in each client's block, in the order given; they are stored by name."""
    stored = sorted((uplinks or {}).items())
    made = gathering.Gathering(method, ground, number, lambda: iter(stored), together)
    for block in (uplinks or {}).values():
        received, group = made.check(block)
        assert received is not None
        made.add(received, group)
    return made


class Asking(Method):
    """Asks for `task`, and teaches nothing."""

    task: Any

    def plan(self, ground: Ground, number: int) -> Task:  # noqa: ARG002
        task: Task = self.task
        return task

    def teach(self, gathered: Gathered) -> Teaching:
        raise NotImplementedError

    def contribute(self, party: Party, wanted: Rows, number: int) -> Block:
        raise NotImplementedError

    def learn(self, party: Party, teaching: Block, number: int) -> None:
        raise NotImplementedError
