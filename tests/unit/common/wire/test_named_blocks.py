"""Blocks under names, and row numbers, in one piece and back."""

import numpy as np
import pytest

from limbeck_common.core.blocks import Block, Rows, Space, parameters, soft_labels
from limbeck_common.core.errors import KeysError, RefusalError, StreamError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.seeds import Sample
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.named_parts import read_named, read_rows, write_named, write_rows

BLOCKS = {
    "": soft_labels(Rows(np.array([1, 5])), np.array([[0.5, 0.5], [1, 0]], np.float32), temperature=2.0),
    "größe": parameters({"weight": np.ones((2, 3)), "bias": np.zeros(3)}, weight=7),
    "codes": Block(Space.OPEN, Rows(np.arange(6)), Kind.CODES, (np.zeros((6, 40), np.uint8),)),
    "none": soft_labels(Rows(np.zeros(0, np.int64)), np.zeros((0, 2), np.float32)),
}


def test_blocks_come_back_under_their_names_with_their_digests() -> None:
    back = read_named(write_named(BLOCKS), open_rows=6, classes=2)
    assert sorted(back) == sorted(BLOCKS)
    assert {name: parts_digest(block) for name, block in back.items()} == {
        name: parts_digest(block) for name, block in BLOCKS.items()
    }
    assert read_named(write_named({}), 6) == {}


@pytest.mark.parametrize("cut", [1, 3, 15, 16, 17])
def test_blocks_that_are_cut_short_are_refused(cut: int) -> None:
    data = write_named({"a": BLOCKS[""]})
    for damaged in (data[:-cut], data + data[:cut]):
        with pytest.raises(RefusalError):
            read_named(damaged, 6)


def test_names_and_heads_that_cannot_be_read_are_refused() -> None:
    data = bytearray(write_named({"a": BLOCKS[""]}))
    data[16] = 0xFF  # the name
    with pytest.raises(StreamError, match="name or head"):
        read_named(bytes(data), 6)
    data[16:18] = b"a\xff"  # the first byte of the head
    with pytest.raises(StreamError, match="name or head"):
        read_named(bytes(data), 6)


def test_rows_and_classes_beyond_the_federations_are_refused() -> None:
    with pytest.raises(KeysError, match="rows below 5"):
        read_named(write_named({"": BLOCKS[""]}), open_rows=5)
    classes = Block(Space.CLASSES, Rows(np.array([0, 3])), Kind.LOGITS, (np.zeros((2, 2), np.float32),))
    assert read_named(write_named({"": classes}), 0, classes=4)[""].rows.tolist() == [0, 3]
    with pytest.raises(KeysError, match="rows below 3"):
        read_named(write_named({"": classes}), 0, classes=3)


@pytest.mark.parametrize(
    "rows", [Rows(np.array([0, 1, 7])), Rows(np.zeros(0, np.int64)), Rows.drawn(Sample(1, 3, 9))], ids=str
)
def test_row_numbers_come_back(rows: Rows) -> None:
    back = read_rows(write_rows(rows), 9)
    assert (back.indices.tolist(), back.sample) == (rows.indices.tolist(), rows.sample)


def test_row_numbers_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(KeysError):
        read_rows(write_rows(Rows(np.array([9]))), 9)
    for wrong in (b"\xff", b""):
        with pytest.raises(RefusalError):
            read_rows(wrong, 9)
