"""The built-in methods by name."""

from typing import Any

from pydantic import ValidationError

from limbeck_common.core.errors import MethodError
from limbeck_common.core.seeds import derive
from limbeck_common.core.spec import MethodSpec, Spec
from limbeck_common.methods.cfd import CFD
from limbeck_common.methods.comet import COMET
from limbeck_common.methods.datafree import DataFree
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.fd import FD
from limbeck_common.methods.fedavg import FedAvg
from limbeck_common.methods.fedct import FedCT
from limbeck_common.methods.feddf import FedDF
from limbeck_common.methods.fedgh import FedGH
from limbeck_common.methods.fedkd_ts import FedKDTS
from limbeck_common.methods.fedmd import FedMD
from limbeck_common.methods.fedproto import FedProto
from limbeck_common.methods.fml import FML
from limbeck_common.methods.local import Local
from limbeck_common.methods.method import Method
from limbeck_common.methods.scarlet import Scarlet
from limbeck_common.methods.selective_fd import SelectiveFD
from limbeck_common.support.plugins import is_plugin, load_plugin

METHODS: dict[str, type[Method]] = {
    "cfd": CFD,
    "comet": COMET,
    "datafree": DataFree,
    "dsfl": DSFL,
    "fd": FD,
    "fedavg": FedAvg,
    "fedct": FedCT,
    "feddf": FedDF,
    "fedgh": FedGH,
    "fedkd_ts": FedKDTS,
    "fedmd": FedMD,
    "fedproto": FedProto,
    "fml": FML,
    "local": Local,
    "scarlet": Scarlet,
    "selective_fd": SelectiveFD,
}


def make_method(spec: MethodSpec) -> Method:
    """Return the method that `spec` names, with its options.

    >>> make_method(MethodSpec(name="dsfl", options={"temperature": 0.5})).temperature
    0.5

    Raises:
        MethodError: there is no such method, or it does not take these options.
    """
    known = ", ".join(sorted(METHODS))
    if spec.name not in METHODS and not is_plugin(spec.name):
        raise MethodError(
            f"unknown method {spec.name!r}", expected=f"one of {known}, or package.module:Class", remedy="see [method]"
        )
    kind: Any = METHODS[spec.name] if spec.name in METHODS else load_plugin(spec.name)
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise MethodError(f"{spec.name} is not a method", expected="a class that extends limbeck_common's Method")
    try:
        return kind(**spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        taken = ", ".join(kind.model_fields)
        raise MethodError(
            f"method {spec.name}: option {key!r}: {first['msg']}", expected=f"options among {taken}"
        ) from error


def learner_seed(spec: Spec, name: str) -> int:
    """Return the seed of a participant's learner: the same for all where the method wants one start, else its own."""
    return derive(spec.seed, "learner", "" if make_method(spec.method).one_start else name)
