"""A participant's data: whose it is, and what is refused before any work is done."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import tiny

from limbeck_common.core.errors import DataError, UserCodeError
from limbeck_common.core.spec import DataSpec, Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.runtime.make_data import check_data, make_data

OWN = Spec(output=Output(width=3), sample_shape=(6,), sample_dtype="<f4", open_rows=60, data=DataSpec(dataset="own"))
DIGITS = Spec(
    output=Output(width=10), sample_shape=(1, 8, 8), sample_dtype="|u1", open_rows=500, data=DataSpec(parts=3)
)


def number() -> int:
    return 7


def test_a_users_callable_comes_before_the_built_in_data_set() -> None:
    data = make_data("support.tiny:data", OWN, 1)
    assert data.private is not None
    assert np.array_equal(data.private.x, tiny.data(1, OWN.seed).private.x)  # type: ignore[union-attr]


def test_a_built_in_data_set_gives_each_part_its_own_rows() -> None:
    first, second, server = (make_data(None, DIGITS, part) for part in (0, 1, None))
    assert first.private is not None
    assert second.private is not None
    assert server.private is None
    assert not np.array_equal(first.private.x[:5], second.private.x[:5])


def test_without_open_rows_everyone_has_the_same_empty_open_set() -> None:
    spec = OWN.model_copy(update={"open_rows": 0})
    found = make_data(None, spec, None).open
    assert found is not None
    assert (found.shape, found.dtype) == ((0, 6), np.dtype("<f4"))


def test_a_client_without_data_of_its_own_is_told_how_to_name_some() -> None:
    with pytest.raises(DataError, match=r"no built-in data set; name your data: --data package\.module:callable"):
        make_data(None, OWN, 0)


def test_a_callable_that_returns_something_else_is_named() -> None:
    with pytest.raises(UserCodeError, match=f"{__name__}:number returned a int; expected a ParticipantData"):
        make_data(f"{__name__}:number", OWN, 0)


X: NDArray[Any] = np.zeros((2, 6), np.float32)
GOOD = ParticipantData(Examples(X, np.array([0, 2])), X, Examples(X, np.array([1, 1])), np.array([0, 1]))


@pytest.mark.parametrize("part", ["private", "test", "open"])
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (X.astype(np.uint8), [0, 1], r"rows of type \|u1 and shape \[6\]; expected type <f4 and shape \[6\]"),
        (X[:, :5], [0, 1], r"rows of type <f4 and shape \[5\]; expected type <f4 and shape \[6\]"),
        (X, [0, 3], "labels 0 to 3 of type int64; expected whole labels 0 to 2"),
        (X, [-1, 2], "labels -1 to 2 of type int64; expected"),
        (X[:0], [], "labels without a row; expected"),
    ],
)
def test_rows_of_another_form_and_labels_that_are_no_classes_are_refused(
    part: str, x: NDArray[Any], y: list[int], said: str
) -> None:
    labels = np.array(y, np.int64)
    bad = replace(GOOD, open=x, open_labels=labels) if part == "open" else replace(GOOD, **{part: Examples(x, labels)})
    with pytest.raises(DataError, match=f"{part} {said}"):
        check_data(bad, OWN)


def test_rows_of_the_right_form_pass_in_any_byte_order() -> None:
    check_data(GOOD, OWN)
    check_data(replace(GOOD, private=Examples(X.astype(">f4"), np.array([0, 2]))), OWN)
