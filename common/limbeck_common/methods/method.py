"""What a method is: both halves of a paper, the server's and the client's, as four functions."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from limbeck_common.config import MethodSpec, Spec
from limbeck_common.errors import MethodError
from limbeck_common.exact import Tally
from limbeck_common.learning.party import Party
from limbeck_common.messages import Block, Rows
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.named import is_named, load_named

METHODS = {"dsfl": DSFL}


class Method(Protocol):
    """One method with its options. It holds no state: what changes lies in the parties' learners."""

    def plan(self, spec: Spec, number: int) -> Rows:
        """Server: return the open rows that round `number` asks for."""

    def contribute(self, party: Party, wanted: Rows) -> Block:
        """Client: train on the private data and return the block for the wanted rows."""

    def teach(self, tally: Tally) -> Iterator[NDArray[np.float32]]:
        """Server: yield the teaching, slices of shape [keys, classes] in key order."""

    def distill(self, party: Party, teaching: Block) -> None:
        """Client, and the server's own model: learn from the teaching."""


def make_method(spec: MethodSpec) -> Method:
    """Return the method that `spec` names, with its options.

    Raises:
        MethodError: there is no such method, or it does not take these options.
    """
    known = ", ".join(sorted(METHODS))
    if spec.name not in METHODS and not is_named(spec.name):
        raise MethodError(
            f"unknown method {spec.name!r}", expected=f"one of {known}, or package.module:Class", remedy="see [method]"
        )
    kind: Any = METHODS[spec.name] if spec.name in METHODS else load_named(spec.name)
    try:
        method: Method = kind(**spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        taken = ", ".join(kind.model_fields)
        raise MethodError(
            f"method {spec.name}: option {key!r}: {first['msg']}", expected=f"options among {taken}"
        ) from error
    return method
