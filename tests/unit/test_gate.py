"""The gate: what an uplink must be before it touches anything."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from limbeck_common.config import Spec
from limbeck_common.errors import (
    ClientNameError,
    FederationError,
    KeysError,
    LimbeckError,
    ShapeError,
    ValuesError,
)
from limbeck_common.messages import Block, Kind, Outline, Rows, Space, soft_labels
from limbeck_server.gate import check_contribution, check_federation, check_metrics, check_name, check_outline

SPEC = Spec(classes=3, sample_shape=(1, 2, 2), sample_dtype="|u1", open_rows=10)
WANTED = Rows(np.array([2, 3, 7]))
VALUES = np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0, 0.5, 0.5]], np.float32)
GOOD = soft_labels(WANTED, VALUES)


def changed(row: int, column: int, value: float) -> Block:
    values = VALUES.copy()
    values[row, column] = value
    return soft_labels(WANTED, values)


def on(*rows: int) -> Block:
    return soft_labels(Rows(np.array(rows)), np.tile(VALUES[:1], (len(rows), 1)))


def of(values: NDArray[Any]) -> Block:
    return soft_labels(WANTED, values)


def test_what_was_asked_for_passes() -> None:
    check_contribution(GOOD, WANTED, SPEC)
    check_contribution(None, None, SPEC)


@pytest.mark.parametrize(
    ("block", "kind", "said"),
    [
        (None, KeysError, "has no predictions; expected a row for each wanted one"),
        (on(2, 3), KeysError, "2 rows, 0 of them not asked for and 1 missing; expected the 3 rows"),
        (on(2, 3, 7, 8), KeysError, "4 rows, 1 of them not asked for and 0 missing"),
        (on(2, 3, 8), KeysError, "3 rows, 1 of them not asked for and 1 missing"),
        (on(), KeysError, "0 rows, 0 of them not asked for and 3 missing"),
        (replace(GOOD, space=Space.CLASSES), KeysError, "keys of the space classes; expected rows of the open set"),
        (replace(GOOD, space=Space.PARAMETERS, keys=("w",)), KeysError, "keys of the space parameters"),
        (replace(GOOD, keys=("w",)), KeysError, "expected rows of the open set"),
        (replace(GOOD, kind=Kind.LOGITS), ShapeError, "logits of type float32 and shape"),
        (of(VALUES.astype(np.float64)), ShapeError, "probabilities of type float64"),
        (of(VALUES.astype(np.uint8)), ShapeError, "probabilities of type uint8"),
        (of(VALUES[:, :2]), ShapeError, r"shape \[3, 2\]; expected .* shape \[3, 3\]"),
        (of(VALUES[:2]), ShapeError, r"shape \[2, 3\]"),
        (of(VALUES[:, :, None]), ShapeError, r"shape \[3, 3, 1\]"),
        (of(VALUES[:, 0]), ShapeError, r"shape \[3\]"),
        (changed(1, 2, np.nan), ValuesError, "row 1 of the block is not finite"),
        (changed(2, 0, np.inf), ValuesError, "row 2 of the block is not finite"),
        (changed(0, 0, -0.1), ValuesError, "row 0 of the block is out of range; expected 0 to 1"),
        (changed(0, 0, 1.1), ValuesError, "row 0 of the block is out of range"),
        (changed(1, 1, 0.5), ValuesError, "row 1 of the block does not sum to 1"),
    ],
)
def test_anything_else_is_refused_with_what_was_wrong_and_what_was_expected(
    block: Block | None, kind: type[LimbeckError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        check_contribution(block, WANTED, SPEC)


@pytest.mark.parametrize(
    ("outline", "kind", "said"),
    [
        (None, KeysError, "has no predictions"),
        (of(VALUES.astype(np.float64)).outline, ShapeError, "probabilities of type float64 and shape"),
        (of(VALUES[:2]).outline, ShapeError, r"shape \[2, 3\]; expected .* shape \[3, 3\]"),
        (replace(GOOD, kind=Kind.LOGITS).outline, ShapeError, "logits of type float32"),
        (replace(GOOD, values=()).outline, ShapeError, "of no tensor"),
        (replace(GOOD, values=(VALUES,) * 1000).outline, ShapeError, "and shape"),
    ],
)
def test_a_head_is_refused_for_what_it_says_of_its_block(
    outline: Outline | None, kind: type[LimbeckError], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        check_outline(outline, WANTED, SPEC)
    assert len(str(caught.value)) < 500


def test_the_payload_of_what_was_asked_for_has_one_size() -> None:
    assert check_outline(GOOD.outline, WANTED, SPEC) == VALUES.nbytes
    assert check_outline(None, None, SPEC) == 0


def test_the_closing_round_wants_no_predictions() -> None:
    with pytest.raises(KeysError, match="has predictions; expected none in the closing round"):
        check_contribution(GOOD, None, SPEC)


@pytest.mark.parametrize("name", ["a", "hospital-3.ward_B", "x" * 64])
def test_plain_client_names_pass(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "a\n", "ä", "a;DROP TABLE facts"])
def test_other_client_names_are_refused(name: str) -> None:
    with pytest.raises(ClientNameError, match=r"client name .* expected 1 to 64 letters"):
        check_name(name)


def test_a_message_for_another_federation_is_told_to_join_again() -> None:
    check_federation("f", "f")
    with pytest.raises(FederationError, match="a message for federation 'g'; expected 'f'; join again"):
        check_federation("g", "f")


@pytest.mark.parametrize(
    "metrics",
    [
        {"loss": np.nan},
        {"loss": 0.5, "accuracy": np.inf},
        {"": 1.0},
        {"two words": 1.0},
        {"x" * 65: 1.0},
        {f"figure-{number}": 1.0 for number in range(65)},
    ],
    ids=["nan", "inf", "empty name", "space", "long name", "too many"],
)
def test_metrics_that_are_odd_or_too_many_are_refused(metrics: dict[str, float]) -> None:
    with pytest.raises(ValuesError, match="expected at most 64 plainly named finite numbers"):
        check_metrics(metrics)


def test_64_plain_metrics_pass() -> None:
    check_metrics({f"figure-{number}": -1e300 for number in range(64)})


def test_what_a_stranger_wrote_is_quoted_shortened() -> None:
    with pytest.raises(ClientNameError) as caught:
        check_name("\x1b[31m" * 1000)
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)
