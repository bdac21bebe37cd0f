"""From a round's plan to messages, and back."""

from collections.abc import Iterable, Mapping
from typing import Any

from limbeck_common.core.blocks import NO_ROWS, Space
from limbeck_common.core.errors import KeysError, ShapeError
from limbeck_common.core.form import Ask, Form, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.wire.encodings import KIND_NUMBERS, KINDS, decode_encoding, encode_encoding
from limbeck_common.wire.rows import decode_rows, encode_rows
from limbeck_common.wire.v1 import block_pb2 as pb

_WEIGHTS = {
    pb.WEIGHTS_NONE: Weights.NONE,
    pb.WEIGHTS_BLOCK: Weights.BLOCK,
    pb.WEIGHTS_KEY: Weights.KEY,
}
_WEIGHT_NUMBERS = {weights: number for number, weights in _WEIGHTS.items()}


def encode_plan(plan: Mapping[str, Ask], messages: Any) -> None:
    """Add each part that is asked for to a repeated field of `Ask`, by name."""
    for name, ask in sorted(plan.items()):
        message = messages.add(
            name=name,
            kind=KIND_NUMBERS[ask.form.kind],
            row_shape=ask.form.row_shape,
            partial=ask.form.partial,
            weights=_WEIGHT_NUMBERS[ask.form.weights],
        )
        if ask.form.space is Space.PARAMETERS:
            for model, shapes in ask.models.items():
                entry = message.parameters.models.add(name=model)
                for parameter, shape in shapes.items():
                    entry.parameters.add(name=parameter, shape=shape)
            message.parameters.SetInParent()
        else:
            field = message.open_indices if ask.form.space is Space.OPEN else message.classes
            field.CopyFrom(encode_rows(ask.rows))
            message.encodings.extend(map(encode_encoding, ask.form.encodings))


def decode_plan(messages: Iterable[pb.Ask], open_rows: int, width: int) -> dict[str, Ask]:
    """Return the parts that are asked for, by name, of a federation of so many open rows and classes.

    Raises:
        RefusalError: the plan contradicts itself, or names rows or classes beyond these bounds.
    """
    return {message.name: _decode_ask(message, open_rows, width) for message in messages}


def _decode_ask(message: pb.Ask, open_rows: int, width: int) -> Ask:
    kind, weights = KINDS.get(message.kind), _WEIGHTS.get(message.weights)
    if kind is None or weights is None:
        raise ShapeError(f"part {message.name[:80]!r} is of unknown kind {message.kind} or weights {message.weights}")
    match message.WhichOneof("keys"):
        case "parameters":
            shapes = {
                model.name: {each.name: tuple(each.shape) for each in model.parameters}
                for model in message.parameters.models
            }
            return Ask(Form(kind, Space.PARAMETERS, weights=weights), NO_ROWS, shapes)
        case "open_indices":
            space, rows = Space.OPEN, decode_rows(message.open_indices, open_rows)
        case "classes":
            space, rows = Space.CLASSES, decode_rows(message.classes, width)
        case _:
            raise KeysError(f"part {message.name[:80]!r} has no keys", expected="open indices, classes or parameters")
    return Ask(_row_form(message, kind, space, weights), rows)


def _row_form(message: pb.Ask, kind: Kind, space: Space, weights: Weights) -> Form:
    row_shape = tuple(message.row_shape)
    encodings = tuple(decode_encoding(each, kind, row_shape) for each in message.encodings)
    if not encodings:
        raise ShapeError(f"part {message.name[:80]!r} has no encoding")
    return Form(kind, space, row_shape, encodings, partial=message.partial, weights=weights)
