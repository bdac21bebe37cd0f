"""From a round's number to what its uplinks are added up in. The coordinator and the audit both start here."""

from limbeck_common.config import Spec
from limbeck_common.exact import Tally
from limbeck_common.messages import Kind, Rows
from limbeck_common.methods.method import Method


def open_tally(method: Method, spec: Spec, number: int) -> tuple[Rows, Tally]:
    """Return the rows that round `number` asks for, and an empty tally for them."""
    wanted = method.plan(spec, number)
    return wanted, Tally(wanted.indices, spec.classes, Kind.PROBABILITIES)
