"""Parts under names, in one piece and back."""

import numpy as np
import pytest

from limbeck_common.core.arrays.encodings import Quantised
from limbeck_common.core.blocks import Block, Rows, Space, parameters, soft_labels
from limbeck_common.core.errors import KeysError, RefusalError, StreamError
from limbeck_common.core.kinds import Kind
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.named_parts import read_named, write_named

LABELS = {"labels": soft_labels(Rows(np.array([1, 5])), np.array([[0.5, 0.5], [1, 0]], np.float32))}
NAMED = {
    "all": LABELS,
    "größe": {"model": parameters({"weight": np.ones((2, 3)), "bias": np.zeros(3)}, weight=7), **LABELS},
    "quantised": {
        "labels": soft_labels(Rows(np.arange(6)), Quantised(3).encode(np.full((6, 2), 0.5), Kind.PROBABILITIES))
    },
    "no rows": {"labels": soft_labels(Rows(np.zeros(0, np.int64)), np.zeros((0, 2), np.float32))},
    "no parts": {},
}


def test_parts_come_back_under_their_names_with_their_digests() -> None:
    back = read_named(write_named(NAMED), open_rows=6, width=2)
    assert sorted(back) == sorted(NAMED)
    assert {name: parts_digest(parts) for name, parts in back.items()} == {
        name: parts_digest(parts) for name, parts in NAMED.items()
    }
    assert read_named(write_named({}), 6) == {}


@pytest.mark.parametrize("cut", [1, 3, 15, 16, 17])
def test_parts_that_are_cut_short_are_refused(cut: int) -> None:
    data = write_named({"a": LABELS})
    for damaged in (data[:-cut], data + data[:cut]):
        with pytest.raises(RefusalError):
            read_named(damaged, 6)


def test_names_and_heads_that_cannot_be_read_are_refused() -> None:
    data = bytearray(write_named({"a": LABELS}))
    data[16] = 0xFF  # the name
    with pytest.raises(StreamError, match="name or head"):
        read_named(bytes(data), 6)
    data[16:18] = b"a\xff"  # the first byte of the head
    with pytest.raises(StreamError, match="name or head"):
        read_named(bytes(data), 6)


def test_rows_and_classes_beyond_the_federations_are_refused() -> None:
    with pytest.raises(KeysError, match="rows below 5"):
        read_named(write_named({"a": LABELS}), open_rows=5)
    classes = {"scores": Block(Space.CLASSES, Rows(np.array([0, 3])), Kind.LOGITS, (np.zeros((2, 2), np.float32),))}
    assert read_named(write_named({"a": classes}), 0, width=4)["a"]["scores"].rows.tolist() == [0, 3]
    with pytest.raises(KeysError, match="rows below 3"):
        read_named(write_named({"a": classes}), 0, width=3)
