"""One side of a method at a time, for methods whose uplinks and aggregates have one part."""

from collections.abc import Mapping

import numpy as np

from limbeck_common.core.blocks import NO_ROWS, Block, Parts, Rows, Space
from limbeck_common.core.form import Ask, Form
from limbeck_common.core.messages import ALL, Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import PastRounds
from limbeck_server.aggregation.open_round import History, OpenRound
from support.aggregators import together


def only(parts: Parts) -> Block:
    """Return the only part."""
    (block,) = parts.values()
    return block


def to_all(aggregate: Aggregate) -> Block:
    """Return the only part of an aggregate that goes to everybody."""
    assert list(aggregate.blocks) == [ALL]
    return only(aggregate.blocks[ALL])


def planned(method: Method, past: PastRounds, number: int) -> Mapping[str, Ask]:
    """Return what a round asks for."""
    history = History(past.spec, past.architectures, past.aggregate)
    return OpenRound(method, history, number, lambda: iter(()), together).plan


def plan_of(method: Method, spec: Spec, rows: Rows = NO_ROWS) -> dict[str, Ask]:
    """Return a plan that asks for every part: open ones for `rows`, classes for all."""
    classes = Rows(np.arange(spec.output.width))
    forms = method.forms(spec).up.items()
    return {part: Ask(form, classes if form.space is Space.CLASSES else rows) for part, form in forms}


def update(method: Method, client: Participant, rows: Rows = NO_ROWS, number: int = 1) -> Block:
    """Have a client do round `number`, which asks for `rows`, and return what it contributes."""
    return only(method.client_update(ClientRound(client, number, {}, plan_of(method, client.spec, rows))))


def receive(method: Method, client: Participant, block: Block, number: int) -> None:
    """Have a participant learn from what round `number` made."""
    down = method.forms(client.spec).down
    named = {part: block for part, form in down.items() if _fits(form, block)}
    (part,) = list(named)[:1]
    method.client_receive(ClientRound(client, number + 1, {part: block}))


def _fits(form: Form, block: Block) -> bool:
    return form.space is block.space and form.kind is block.kind
