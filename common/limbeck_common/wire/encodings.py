"""Kinds, element types and encodings by their numbers on the wire."""

from typing import Any

import numpy as np

from limbeck_common.core.arrays.encodings import Encoding, OneClass, Plain, Quantised, Top
from limbeck_common.core.errors import ShapeError
from limbeck_common.core.kinds import Kind
from limbeck_common.wire.v1 import block_pb2 as pb

ELEMENTS: dict[pb.ElementType, np.dtype[Any]] = {
    pb.ELEMENT_TYPE_FLOAT32: np.dtype("<f4"),
    pb.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
    pb.ELEMENT_TYPE_FLOAT16: np.dtype("<f2"),
    pb.ELEMENT_TYPE_UINT8: np.dtype("|u1"),
    pb.ELEMENT_TYPE_INT64: np.dtype("<i8"),
    pb.ELEMENT_TYPE_UINT16: np.dtype("<u2"),
    pb.ELEMENT_TYPE_UINT32: np.dtype("<u4"),
}
ELEMENT_TYPES = {dtype: number for number, dtype in ELEMENTS.items()}
KINDS = {
    pb.VALUE_KIND_PROBABILITIES: Kind.PROBABILITIES,
    pb.VALUE_KIND_LOGITS: Kind.LOGITS,
    pb.VALUE_KIND_PARAMETERS: Kind.PARAMETERS,
    pb.VALUE_KIND_MEMBERSHIPS: Kind.MEMBERSHIPS,
    pb.VALUE_KIND_VALUES: Kind.VALUES,
    pb.VALUE_KIND_FEATURES: Kind.FEATURES,
    pb.VALUE_KIND_COUNTS: Kind.COUNTS,
    pb.VALUE_KIND_VOTES: Kind.VOTES,
    pb.VALUE_KIND_SAMPLES: Kind.SAMPLES,
}
KIND_NUMBERS = {kind: number for number, kind in KINDS.items()}
_MOST_BITS = 8


def encode_encoding(encoding: Encoding) -> pb.Encoding:
    """Return an encoding as a message."""
    match encoding:
        case Plain(dtype):
            return pb.Encoding(plain=ELEMENT_TYPES[np.dtype(dtype)])
        case Quantised(bits):
            return pb.Encoding(bits=bits)
        case OneClass():
            return pb.Encoding(one_class=True)
        case Top(k, dtype):
            return pb.Encoding(top=pb.Top(k=k, values=ELEMENT_TYPES[np.dtype(dtype)]))


def decode_encoding(message: pb.Encoding, kind: Kind, row_shape: tuple[int, ...]) -> Encoding:
    """Return the encoding that a message names, for values of this kind and shape.

    Raises:
        ShapeError: there is none such, or it cannot hold them.
    """
    distribution = kind.total is not None and len(row_shape) == 1
    match message.WhichOneof("form"):
        case "plain" if message.plain in ELEMENTS:
            return Plain(ELEMENTS[message.plain].str)
        case "bits" if 1 <= message.bits <= _MOST_BITS:
            return Quantised(message.bits)
        case "one_class" if distribution:
            return OneClass()
        case "top" if distribution and message.top.values in ELEMENTS and 1 <= message.top.k <= row_shape[0]:
            return Top(message.top.k, ELEMENTS[message.top.values].str)
        case form:
            raise ShapeError(f"{kind} of shape {list(row_shape)} as {form or 'no encoding'}")
