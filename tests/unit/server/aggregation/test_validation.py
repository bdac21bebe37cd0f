"""The gate: what an uplink must be before it touches anything."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.aggregators import Asking, aggregated, context

from limbeck_common.core.blocks import Block, Outline, Rows, Space, parameters, soft_labels
from limbeck_common.core.errors import KeysError, LimbeckError, ShapeError, ValuesError
from limbeck_common.core.form import Ask
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import Output, Spec
from limbeck_server.aggregation.validation import HEAVIEST, check_form, check_metrics, check_outline

SPEC = Spec(output=Output(width=3), sample_shape=(1, 2, 2), sample_dtype="|u1", open_rows=10)
WANTED = Rows(np.array([2, 3, 7]))
TASK = Ask(Space.OPEN, Kind.PROBABILITIES, WANTED)
VALUES = np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0, 0.5, 0.5]], np.float32)
GOOD = soft_labels(WANTED, VALUES)


def check(block: Block | None, ask: Ask = TASK) -> str:
    """Check a block for an open round, form and values, and return its group."""
    _, group = aggregated(Asking(ask=ask), context(SPEC, ask.models)).check(block)
    return group


def changed(row: int, column: int, value: float) -> Block:
    values = VALUES.copy()
    values[row, column] = value
    return soft_labels(WANTED, values)


def on(*rows: int) -> Block:
    return soft_labels(Rows(np.array(rows)), np.tile(VALUES[:1], (len(rows), 1)))


def of(values: NDArray[Any]) -> Block:
    return soft_labels(WANTED, values)


def test_what_was_asked_for_passes() -> None:
    assert check(GOOD) == ""
    assert check_form(None, None, SPEC) == ""


@pytest.mark.parametrize(
    ("block", "kind", "said"),
    [
        (None, KeysError, "has no contribution; expected what the downlink asked for"),
        (
            on(2, 3),
            KeysError,
            "2 rows, 0 of them not asked for and 1 missing; expected all the 3 rows that",
        ),
        (on(2, 3, 7, 8), KeysError, "4 rows, 1 of them not asked for and 0 missing"),
        (on(2, 3, 8), KeysError, "3 rows, 1 of them not asked for and 1 missing"),
        (on(), KeysError, "0 rows, 0 of them not asked for and 3 missing"),
        (replace(GOOD, space=Space.CLASSES), KeysError, "keys of the space classes; expected of the space open"),
        (replace(GOOD, space=Space.PARAMETERS, keys=("w",)), KeysError, "keys of the space parameters"),
        (replace(GOOD, keys=("w",)), KeysError, "of the space open"),
        (replace(GOOD, kind=Kind.LOGITS), ShapeError, "logits of type float32 and shape"),
        (of(VALUES.astype(np.float64)), ShapeError, "probabilities of type float64"),
        (of(VALUES.astype(np.uint8)), ShapeError, "probabilities of type uint8"),
        (of(VALUES[:, :2]), ShapeError, r"shape \[3, 2\]; expected .* shape \[3, 3\]"),
        (of(VALUES[:2]), ShapeError, r"shape \[2, 3\]"),
        (of(VALUES[:, :, None]), ShapeError, r"shape \[3, 3, 1\]"),
        (of(VALUES[:, 0]), ShapeError, r"shape \[3\]"),
        (replace(GOOD, weight=0), ValuesError, "weighs 0; expected 1 to 1"),
        (replace(GOOD, weight=2), ValuesError, "weighs 2; expected 1 to 1"),
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
        check(block)


def test_the_closing_round_wants_no_contribution() -> None:
    with pytest.raises(KeysError, match="has a contribution; expected none in the closing round"):
        check_form(GOOD, None, SPEC)


PARTIAL = replace(TASK, partial=True)
CLASSES = Ask(Space.CLASSES, Kind.LOGITS, partial=True, weighted=True)
CODES = Ask(Space.OPEN, Kind.CODES, WANTED, dtype="|u1", columns=2)


def averages(*classes: int, **changes: Any) -> Block:
    values = np.full((len(classes), 3), -4.5, np.float32)
    return replace(Block(Space.CLASSES, Rows(np.array(classes)), Kind.LOGITS, (values,)), **changes)


def codes(columns: int, dtype: type = np.uint8) -> Block:
    return Block(Space.OPEN, WANTED, Kind.CODES, (np.zeros((3, columns), dtype),))


@pytest.mark.parametrize("block", [on(), on(3), on(2, 7), GOOD], ids=["none", "one", "two", "all"])
def test_where_rows_may_be_left_out_any_of_them_will_do(block: Block) -> None:
    check(block, PARTIAL)


@pytest.mark.parametrize("block", [averages(), averages(0, 2), averages(0, 1, 2, weight=HEAVIEST)])
def test_averages_of_any_of_the_classes_will_do(block: Block) -> None:
    check(block, CLASSES)


@pytest.mark.parametrize(
    ("block", "ask", "kind", "said"),
    [
        (on(2, 8), PARTIAL, KeysError, "2 rows, 1 of them not asked for and 2 missing; expected some of the 3 rows"),
        (averages(3), CLASSES, KeysError, "1 classes, 1 of them not asked for and 3 missing; expected some of the 3"),
        (GOOD, CLASSES, KeysError, "keys of the space open; expected of the space classes"),
        (averages(0, 1), replace(CLASSES, partial=False), KeysError, "1 missing; expected all the 3 classes"),
        (averages(0, kind=Kind.PROBABILITIES), CLASSES, ShapeError, "probabilities of type float32"),
        (averages(0, weight=HEAVIEST + 1), CLASSES, ValuesError, "weighs 1048577; expected 1 to 1048576"),
        (averages(0, values=(np.full((1, 3), 4e4, np.float32),)), CLASSES, ValuesError, "out of range"),
        (codes(3), CODES, ShapeError, r"codes of type uint8 and shape \[3, 3\]; expected .* shape \[3, 2\]"),
        (codes(2, np.float32), CODES, ShapeError, "codes of type float32"),
    ],
)
def test_what_a_task_does_not_allow_is_refused(block: Block, ask: Ask, kind: type[LimbeckError], said: str) -> None:
    with pytest.raises(kind, match=said):
        check(block, ask)


def test_codes_are_a_methods_own_to_check() -> None:
    assert check_form(codes(2), CODES, SPEC) == ""


SMALL, LARGE = {"w": (2, 3), "b": (2,)}, {"w": (4, 3), "b": (4,)}
WEIGHTS = Ask(Space.PARAMETERS, Kind.PARAMETERS, weighted=True, models={"": SMALL, "large": LARGE})


def model(shapes: dict[str, tuple[int, ...]], weight: int = 1, value: float = 0.5) -> Block:
    return parameters({name: np.full(shape, value) for name, shape in shapes.items()}, weight)


def test_a_models_shapes_say_which_architecture_it_is() -> None:
    assert check(model(SMALL, weight=60), WEIGHTS) == ""
    assert check(model(LARGE), WEIGHTS) == "large"


@pytest.mark.parametrize(
    ("block", "kind", "said"),
    [
        (
            model({"w": (2, 3)}),
            ShapeError,
            "of 6 values in 1 tensors; expected .* the round asks for, .* or .* of large, .*; join",
        ),
        (model({"w": (2, 3), "b": (4,)}), ShapeError, "of 10 values in 2 tensors"),
        (model({**SMALL, "c": (1,)}), ShapeError, "in 3 tensors"),
        (model({"v": (2, 3), "b": (2,)}), ShapeError, "in 2 tensors"),
        (replace(model(SMALL), keys=("w", "w")), ShapeError, "in 2 tensors"),
        (replace(model(SMALL), kind=Kind.LOGITS), ShapeError, "logits of 8 values"),
        (replace(model(SMALL), values=(np.ones((2, 3)), np.ones(2))), ShapeError, "float32 parameters"),
        (replace(model(SMALL), values=(np.ones((2, 3), np.float32), np.ones(2))), ShapeError, "float32 parameters"),
        (model(SMALL, weight=0), ValuesError, "weighs 0; expected 1 to 1048576"),
        (model(SMALL, value=np.nan), ValuesError, "row 0 of the block is not finite"),
        (model(SMALL, value=4e4), ValuesError, "row 0 of the block is out of range"),
        (GOOD, KeysError, "keys of the space open; expected of the space parameters"),
    ],
)
def test_weights_of_another_form_are_refused(block: Block, kind: type[LimbeckError], said: str) -> None:
    with pytest.raises(kind, match=said):
        check(block, WEIGHTS)


@pytest.mark.parametrize(
    ("outline", "kind", "said"),
    [
        (None, KeysError, "has no contribution"),
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
        check_outline(outline, TASK, SPEC)
    assert len(str(caught.value)) < 500


def test_a_refusal_shows_the_first_three_of_many_tensors() -> None:
    outline = replace(GOOD, values=tuple(VALUES[:rows] for rows in (1, 2, 3, 0))).outline
    with pytest.raises(ShapeError, match=r"shape \[1, 3\] and .* shape \[2, 3\] and .* shape \[3, 3\]; expected"):
        check_outline(outline, TASK, SPEC)


def test_the_payload_of_what_was_asked_for_has_one_size() -> None:
    assert check_outline(GOOD.outline, TASK, SPEC) == VALUES.nbytes
    assert check_outline(None, None, SPEC) == 0


def test_the_payload_of_a_model_has_the_size_of_one_of_the_architectures() -> None:
    assert check_outline(model(SMALL).outline, WEIGHTS, SPEC) == 4 * (2 * 3 + 2)
    assert check_outline(model(LARGE).outline, WEIGHTS, SPEC) == 4 * (4 * 3 + 4)


@pytest.mark.parametrize(
    "block",
    [model({"w": (2, 3)}), model({**SMALL, "c": (1,)}), replace(model(SMALL), kind=Kind.LOGITS)],
    ids=["too small", "too large", "of another kind"],
)
def test_a_head_is_refused_for_a_model_that_cannot_be_one_of_the_architectures(block: Block) -> None:
    with pytest.raises(ShapeError, match=r"expected float32 parameters of .*; join with that model"):
        check_outline(block.outline, WEIGHTS, SPEC)


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
    with pytest.raises(ValuesError, match="expected at most 64 finite numbers, named with"):
        check_metrics(metrics)


def test_64_plain_metrics_pass() -> None:
    check_metrics({f"figure-{number}": -1e300 for number in range(64)})
