"""The name of an open set, which any language can compute."""

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import limbeck_common.datasets.open_digest as digesting
from limbeck_common.core.errors import DataError
from limbeck_common.datasets.open_digest import open_digest


def test_the_digest_is_the_one_that_any_language_can_compute() -> None:
    rows = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], dtype=np.uint8)
    assert open_digest(rows) == hashlib.sha256(b"limbeck-open-v1 |u1 2x2x2\n" + bytes(range(1, 9))).digest()
    line = np.array([1.0, -2.5], dtype=np.float32)
    assert open_digest(line) == hashlib.sha256(b"limbeck-open-v1 <f4 2\n" + struct.pack("<2f", 1.0, -2.5)).digest()


@given(
    arrays.arrays(
        dtype=arrays.integer_dtypes() | arrays.floating_dtypes(sizes=(16, 32, 64)),
        shape=arrays.array_shapes(min_side=0, max_side=5),
    )
)
@settings(deadline=None)
def test_strides_byte_order_and_slices_do_not_change_the_digest(rows: NDArray[Any]) -> None:
    name = open_digest(rows)
    assert open_digest(np.asfortranarray(rows)) == name
    assert open_digest(np.repeat(rows, 2, axis=-1)[..., ::2]) == name
    assert open_digest(rows.astype(rows.dtype.newbyteorder(">"))) == name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digesting, "_SLICE_BYTES", 3)
        assert open_digest(rows) == name


def test_order_shape_and_element_type_change_the_digest() -> None:
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    others: list[NDArray[Any]] = [rows[::-1], rows.reshape(4, 3), rows.view(np.int8), rows.astype(np.float32), rows[:2]]
    assert len({open_digest(other) for other in [rows, *others]}) == 6


def test_a_memory_map_has_the_digest_of_its_array(tmp_path: Path) -> None:
    rows = np.arange(600, dtype=np.float32).reshape(100, 6)
    np.save(tmp_path / "open.npy", rows)
    assert open_digest(np.load(tmp_path / "open.npy", mmap_mode="r")) == open_digest(rows)


@pytest.mark.parametrize("rows", [np.array(["a"]), np.array([None]), np.array([1j]), np.array(1.0)])
def test_what_is_no_array_of_numbers_has_no_digest(rows: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="open data cannot be"):
        open_digest(rows)
