"""Encodings on the wire: what suits a kind and a row comes back, and anything else is refused."""

import pytest

from limbeck_common.core.arrays.encodings import FLOAT16, FLOAT32, Encoding, OneClass, Plain, Quantised, Top
from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.kinds import Kind
from limbeck_common.wire.encodings import decode_encoding, encode_encoding
from limbeck_common.wire.v1 import block_pb2 as pb


@pytest.mark.parametrize("encoding", [FLOAT32, FLOAT16, Quantised(3), OneClass(), Top(1), Top(4), Plain("<f8")])
def test_an_encoding_comes_back(encoding: Encoding) -> None:
    sent = encode_encoding(encoding)
    assert sent.WhichOneof("form") is not None
    assert decode_encoding(pb.Encoding.FromString(sent.SerializeToString()), Kind.PROBABILITIES, (4,)) == encoding


def test_one_class_is_said_by_a_true_field() -> None:
    assert encode_encoding(OneClass()).one_class is True


@pytest.mark.parametrize(
    ("message", "kind", "row_shape"),
    [
        (pb.Encoding(one_class=True), Kind.FEATURES, (4,)),  # no distribution
        (pb.Encoding(one_class=True), Kind.PROBABILITIES, (2, 4)),  # of several axes
        (pb.Encoding(top=pb.Top(k=0, values=pb.ELEMENT_TYPE_FLOAT32)), Kind.PROBABILITIES, (4,)),
        (pb.Encoding(top=pb.Top(k=5, values=pb.ELEMENT_TYPE_FLOAT32)), Kind.PROBABILITIES, (4,)),
        (pb.Encoding(top=pb.Top(k=2)), Kind.PROBABILITIES, (4,)),  # of no element type
        (pb.Encoding(top=pb.Top(k=2, values=pb.ELEMENT_TYPE_FLOAT32)), Kind.LOGITS, (4,)),
        (pb.Encoding(bits=9), Kind.PROBABILITIES, (4,)),
        (pb.Encoding(), Kind.PROBABILITIES, (4,)),
    ],
)
def test_what_suits_neither_kind_nor_row_is_refused(
    message: pb.Encoding, kind: Kind, row_shape: tuple[int, ...]
) -> None:
    with pytest.raises(LimbeckError):
        decode_encoding(message, kind, row_shape)
