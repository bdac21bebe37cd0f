"""The open round as its method sees it: what was planned, the exact sums, and the uplinks themselves."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.encodings import Top
from limbeck_common.core.arrays.tensors import Tensor, slices, travelling
from limbeck_common.core.blocks import NO_ROWS, Block, Parts, Rows, Shapes, Space
from limbeck_common.core.errors import MethodError
from limbeck_common.core.exact_sums import ParameterTally, Tally
from limbeck_common.core.form import Ask, Form, Forms
from limbeck_common.core.messages import ALL
from limbeck_common.core.sparse_sums import SparseTally
from limbeck_common.core.spec import Spec
from limbeck_common.methods.method import Method

Find = Callable[[int, str], Parts | None]
Collect = Callable[[Iterable[NDArray[Any]]], Tensor]

_STACK_VALUES = 1 << 18


@dataclass(frozen=True, eq=False)
class History:
    """The rounds so far: see `limbeck_common.methods.server_round.PastRounds`."""

    spec: Spec
    architectures: Mapping[str, Shapes]
    find: Find  # what a round made, by round and audience

    def aggregate(self, number: int, audience: str = ALL) -> Parts | None:
        """Return what round `number` made for an audience, or None."""
        return self.find(number, audience) if number >= 1 else None


@dataclass(eq=False)
class OpenRound:
    """One round: see `limbeck_common.methods.server_round.ServerRound`.

    `contributions` yields the clients and their uplinks as they are added up, by name.
    """

    method: Method
    history: History
    number: int
    contributions: Callable[[], Iterator[tuple[str, Parts]]]
    collect: Collect
    clients: int = 0  # whose uplinks are in the sums
    _rows: dict[str, Tally | SparseTally] = field(default_factory=dict)
    _models: dict[str, dict[str, ParameterTally]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.forms: Forms = self.method.forms(self.spec)
        self.plan: dict[str, Ask] = {}
        for part, rows in self.method.server_plan(self).items():
            form = _declared(self.forms.up, part, self.spec)
            self.plan[part] = self._ask(form, rows)
            if form.space is Space.PARAMETERS:
                self._models[part] = {}
            elif form.kind.summed:
                self._rows[part] = _tally(self.plan[part])

    @property
    def spec(self) -> Spec:
        """The federation's specification."""
        return self.history.spec

    @property
    def architectures(self) -> Mapping[str, Shapes]:
        """The shapes of the parameters of each architecture that the method named."""
        return self.history.architectures

    def aggregate(self, number: int, audience: str = ALL) -> Parts | None:
        """Return what round `number` made for an audience, or None."""
        return self.history.aggregate(number, audience)

    def rows(self, part: str) -> Rows:
        """Return the open rows or classes that a part was asked for."""
        return self.plan[part].rows

    def tally(self, part: str) -> Tally | SparseTally:
        """Return the exact sums of a part by row."""
        return self._rows[part]

    def models(self, part: str) -> Mapping[str, ParameterTally]:
        """Return the exact sums of a part's parameters, by architecture."""
        return self._models[part]

    def add(self, parts: Parts, architecture: str) -> None:
        """Add a checked uplink to the sums."""
        self.clients += 1
        for part, block in parts.items():
            if part in self._rows:
                self._rows[part].add(block)
            elif part in self._models:
                models = self._models[part]
                if architecture not in models:
                    models[architecture] = ParameterTally(self.plan[part].models[architecture])
                models[architecture].add(block)

    def means(self, part: str) -> Iterator[NDArray[np.float64]]:
        """Yield a part's means over the uplinks, of the rows that any has answered, in slices."""
        return self._rows[part].means()

    def uplinks(self) -> Iterator[tuple[str, Parts]]:
        """Yield each client's name and its parts, by name, one in memory at a time."""
        return self.contributions()

    def stacks(self, part: str) -> Iterator[NDArray[Any]]:
        """Yield slices of all of a part, shape [clients, rows, *row_shape], clients by name."""
        ask = self.plan[part]
        step = max(1, _STACK_VALUES // (int(np.prod(ask.form.row_shape)) * max(1, self.clients)))
        if step >= len(ask.rows):
            yield np.stack([parts[part].array[:] for _, parts in self.uplinks()])
            return
        with tempfile.TemporaryFile() as file:  # read once, side by side on disk: memory does not grow with clients
            side_by_side: NDArray[Any] | None = None
            for place, (_, parts) in enumerate(self.uplinks()):
                for start, values in slices(parts[part].array):
                    if side_by_side is None:
                        shape = (self.clients, len(ask.rows), *values.shape[1:])
                        side_by_side = np.memmap(file, values.dtype, "w+", shape=shape)
                    side_by_side[place, start : start + len(values)] = values
            if side_by_side is not None:
                for start in range(0, len(ask.rows), step):
                    yield np.array(side_by_side[:, start : start + step])

    def block(self, part: str, values: Iterable[NDArray[Any]], rows: Rows | None = None) -> Block:
        """Return slices of values as a part of the aggregate, in the form that the method declares for it."""
        form = _declared(self.forms.down, part, self.spec)
        return form.block(self._encoded(form, values), self.rows(part) if rows is None else rows)

    def map_mean(self, part: str, change: Callable[[NDArray[np.float64]], NDArray[Any]]) -> Block:
        """Return a part's means, each slice changed, as the aggregate's part of the same name."""
        return self.block(part, map(change, self.means(part)), self._rows[part].answered)

    def _encoded(self, form: Form, slices: Iterable[NDArray[Any]]) -> Tensor:
        """Return slices of values as one tensor, encoded a slice at a time."""
        encoding = form.encodings[0]
        encoded = (encoding.encode(part, form.kind) for part in slices)
        first = next(encoded, None)
        if first is None:
            return encoding.encode(np.zeros((0, *form.row_shape), np.float32), form.kind)
        if isinstance(first, np.ndarray):
            return self.collect(_chain(first, encoded))
        parts = [first, *encoded]
        arrays = [np.concatenate([travelling(part)[place][:] for part in parts]) for place in range(len(first.tensors))]
        return first.of(*arrays)

    def _ask(self, form: Form, rows: Rows | None) -> Ask:
        if form.space is Space.PARAMETERS:
            names = form.architectures or self.architectures
            return Ask(form, NO_ROWS, {name: self.architectures[name] for name in names if name in self.architectures})
        return Ask(form, Rows(np.arange(self.spec.output.width)) if rows is None else rows)


def _chain(first: NDArray[Any], rest: Iterator[Any]) -> Iterator[NDArray[Any]]:
    yield first
    yield from rest


def _tally(ask: Ask) -> Tally | SparseTally:
    """Return what adds up a part: sparse sums where it travels sparse alone."""
    if all(isinstance(encoding, Top) for encoding in ask.form.encodings):
        return SparseTally(ask.rows.indices, ask.form.row_shape[0], ask.form.kind)
    return Tally(ask.rows.indices, ask.form.row_shape, ask.form.kind)


def _declared(forms: Mapping[str, Form], part: str, spec: Spec) -> Form:
    if part not in forms:
        raise MethodError(
            f"method {spec.method.name} has no part {part!r}", expected=f"one of {', '.join(forms) or 'none'}"
        )
    return forms[part]
