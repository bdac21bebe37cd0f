"""What an uplink must be before it touches anything."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.aggregators import Asking, aggregated, history

from limbeck_common.core.arrays.encodings import FLOAT16, OneClass, Quantised, Top
from limbeck_common.core.blocks import NO_ROWS, Block, Outline, Parts, Rows, Shapes, Space, parameters, soft_labels
from limbeck_common.core.errors import KeysError, LimbeckError, MethodError, ShapeError, ValuesError
from limbeck_common.core.form import Ask, Form, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import ALL, SERVER, Aggregate
from limbeck_common.core.spec import Output, Spec
from limbeck_server.aggregation.validation import HEAVIEST, check_aggregate, check_form, check_metrics, check_outlines

SPEC = Spec(output=Output(width=3), sample_shape=(1, 2, 2), sample_dtype="|u1", open_rows=10)
WANTED = Rows(np.array([2, 3, 7]))
LABELS = Form.labels(SPEC.output)
TASK = Ask(LABELS, WANTED)
VALUES = np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0, 0.5, 0.5]], np.float32)
GOOD = soft_labels(WANTED, VALUES)


def check(block: Block, ask: Ask = TASK) -> str:
    """Check a block for an open round, form and values, and return its architecture."""
    rows = None if ask.form.space is not Space.OPEN else ask.rows
    method = Asking(form=ask.form, rows=rows, part="it")
    _, architecture = aggregated(method, history(SPEC, ask.models)).check({"it": block})
    return architecture


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
    assert check_form({}, {}) == ""


@pytest.mark.parametrize(
    ("block", "kind", "said"),
    [
        (on(2, 3), KeysError, "part it: 2 rows, 0 of them not asked for and 1 missing; expected all the 3 rows that"),
        (on(2, 3, 7, 8), KeysError, "4 rows, 1 of them not asked for and 0 missing"),
        (on(2, 3, 8), KeysError, "3 rows, 1 of them not asked for and 1 missing"),
        (on(), KeysError, "0 rows, 0 of them not asked for and 3 missing"),
        (replace(GOOD, space=Space.CLASSES), KeysError, "part it on classes; expected on open"),
        (replace(GOOD, space=Space.PARAMETERS, keys=("w",)), KeysError, "part it on parameters"),
        (replace(GOOD, keys=("w",)), KeysError, "expected on open"),
        (replace(GOOD, kind=Kind.LOGITS), ShapeError, r"part it: logits of 3 rows of shape \[3\] as float32"),
        (of(VALUES.astype(np.float64)), ShapeError, "as float64; expected probabilities of 3 rows .* as float32"),
        (of(VALUES.astype(np.uint8)), ShapeError, "as uint8"),
        (of(VALUES[:, :2]), ShapeError, r"shape \[2\] .*; expected .* shape \[3\]"),
        (of(VALUES[:2]), ShapeError, "of 2 rows"),
        (of(VALUES[:, :, None]), ShapeError, r"shape \[3, 1\]"),
        (of(VALUES[:, 0]), ShapeError, r"shape \[\]"),
        (replace(GOOD, weight=0), ValuesError, "weighs 0; expected 1 to 1"),
        (replace(GOOD, weight=2), ValuesError, "weighs 2; expected 1 to 1"),
        (replace(GOOD, weight=np.ones(3, np.int64)), ValuesError, "weights per key; expected weights per block"),
        (changed(1, 2, np.nan), ValuesError, "part it: row 1 of the block is not finite"),
        (changed(2, 0, np.inf), ValuesError, "row 2 of the block is not finite"),
        (changed(0, 0, -0.1), ValuesError, "row 0 of the block is out of range; expected 0 to 1"),
        (changed(0, 0, 1.1), ValuesError, "row 0 of the block is out of range"),
        (changed(1, 1, 0.5), ValuesError, "row 1 of the block does not sum to 1"),
    ],
)
def test_anything_else_is_refused_with_what_was_wrong_and_what_was_expected(
    block: Block, kind: type[LimbeckError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        check(block)


@pytest.mark.parametrize(
    ("parts", "plan", "said"),
    [
        ({"labels": GOOD}, {}, "the uplink has the part 'labels'; expected no parts, as in the closing round"),
        ({}, {"labels": TASK}, "the uplink has no parts; expected the part 'labels'"),
        ({"a": GOOD}, {"b": TASK}, "has the part 'a'; expected the part 'b'"),
        ({"a": GOOD}, {"a": TASK, "b": TASK}, "expected the part 'a', the part 'b'"),
        ({"a": GOOD, "b": GOOD}, {"a": TASK}, "has the part 'a', the part 'b'; expected the part 'a'"),
    ],
)
def test_parts_that_were_not_asked_for_and_missing_ones_are_named(
    parts: Parts, plan: dict[str, Ask], said: str
) -> None:
    with pytest.raises(KeysError, match=said):
        check_form(parts, plan)
    with pytest.raises(KeysError, match=said):
        check_outlines({part: block.outline for part, block in parts.items()}, plan)


def test_several_parts_are_checked_each_by_its_own_form() -> None:
    counts = Ask(Form(Kind.COUNTS, Space.CLASSES), Rows(np.arange(3)))
    plan = {"labels": TASK, "counts": counts}
    numbers = Block(Space.CLASSES, counts.rows, Kind.COUNTS, (np.array([5, 0, 2], np.float32),))
    assert check_form({"labels": GOOD, "counts": numbers}, plan) == ""
    assert check_outlines({"labels": GOOD.outline, "counts": numbers.outline}, plan) == VALUES.nbytes + 12
    with pytest.raises(ShapeError, match=r"part counts: counts of 3 rows of shape \[1\]"):
        check_form({"labels": GOOD, "counts": replace(numbers, values=(numbers.array[:][:, None],))}, plan)


PARTIAL = replace(TASK, form=replace(LABELS, partial=True))
CLASSES = Ask(Form(Kind.LOGITS, Space.CLASSES, (3,), partial=True, weights=Weights.BLOCK), Rows(np.arange(3)))
KEYED = replace(CLASSES, form=replace(CLASSES.form, weights=Weights.KEY))


def averages(*classes: int, **changes: Any) -> Block:
    values = np.full((len(classes), 3), -4.5, np.float32)
    return replace(Block(Space.CLASSES, Rows(np.array(classes)), Kind.LOGITS, (values,)), **changes)


@pytest.mark.parametrize("block", [on(), on(3), on(2, 7), GOOD], ids=["none", "one", "two", "all"])
def test_where_rows_may_be_left_out_any_of_them_will_do(block: Block) -> None:
    check(block, PARTIAL)


@pytest.mark.parametrize("block", [averages(), averages(0, 2), averages(0, 1, 2, weight=HEAVIEST)])
def test_averages_of_any_of_the_classes_will_do(block: Block) -> None:
    check(block, CLASSES)


def test_each_key_may_have_a_weight_where_it_is_asked_for() -> None:
    check(averages(0, 2, weight=np.array([1, HEAVIEST])), KEYED)
    check(averages(weight=np.zeros(0, np.int64)), KEYED)


@pytest.mark.parametrize(
    ("block", "ask", "kind", "said"),
    [
        (on(2, 8), PARTIAL, KeysError, "2 rows, 1 of them not asked for and 2 missing; expected some of the 3 rows"),
        (averages(3), CLASSES, KeysError, "1 classes, 1 of them not asked for and 3 missing; expected some of the 3"),
        (GOOD, CLASSES, KeysError, "part it on open; expected on classes"),
        (
            averages(0, 1),
            replace(CLASSES, form=replace(CLASSES.form, partial=False)),
            KeysError,
            "1 missing; expected all the 3 classes",
        ),
        (averages(0, kind=Kind.PROBABILITIES), CLASSES, ShapeError, "probabilities of 1 rows"),
        (averages(0, weight=HEAVIEST + 1), CLASSES, ValuesError, "weighs 1048577; expected 1 to 1048576"),
        (averages(0, values=(np.full((1, 3), 4e4, np.float32),)), CLASSES, ValuesError, "out of range"),
        (averages(0), KEYED, ValuesError, "weights per block; expected weights per key"),
        (averages(0, 1, weight=np.array([1, 0])), KEYED, ValuesError, "weighs 0; expected 1 to 1048576"),
        (averages(0, 1, weight=np.array([HEAVIEST + 1, 1])), KEYED, ValuesError, "weighs 1048577"),
    ],
)
def test_what_a_task_does_not_allow_is_refused(block: Block, ask: Ask, kind: type[LimbeckError], said: str) -> None:
    with pytest.raises(kind, match=said):
        check(block, ask)


@pytest.mark.parametrize("encoding", [FLOAT16, Quantised(4), OneClass(), Top(2)], ids=str)
def test_any_encoding_that_was_offered_will_do_and_no_other(encoding: Any) -> None:
    sent = soft_labels(WANTED, encoding.encode(VALUES, Kind.PROBABILITIES))
    check(sent, Ask(Form.labels(SPEC.output, encoding), WANTED))
    with pytest.raises(ShapeError, match=f"as {encoding}; expected .* as float32$"):
        check(sent)
    with pytest.raises(ShapeError, match=f"as float32; expected .* as {encoding} or 7 bit"):
        check(GOOD, Ask(Form.labels(SPEC.output, encoding, Quantised(7)), WANTED))


SMALL, LARGE = {"w": (2, 3), "b": (2,)}, {"w": (4, 3), "b": (4,)}
WEIGHTS = Ask(Form.model(), NO_ROWS, {"small": SMALL, "large": LARGE})


def model(shapes: Shapes, weight: int = 1, value: float = 0.5) -> Block:
    return parameters({name: np.full(shape, value) for name, shape in shapes.items()}, weight)


def test_a_models_shapes_say_which_architecture_it_is() -> None:
    assert check(model(SMALL, weight=60), WEIGHTS) == "small"
    assert check(model(LARGE), WEIGHTS) == "large"


@pytest.mark.parametrize(
    ("block", "kind", "said"),
    [
        (
            model({"w": (2, 3)}),
            ShapeError,
            "of 6 values in 1 arrays; expected .* of small, .* of large, .*; join",
        ),
        (model({"w": (2, 3), "b": (4,)}), ShapeError, "of 10 values in 2 arrays"),
        (model({**SMALL, "c": (1,)}), ShapeError, "in 3 arrays"),
        (model({"v": (2, 3), "b": (2,)}), ShapeError, "in 2 arrays"),
        (replace(model(SMALL), keys=("w", "w")), ShapeError, "in 2 arrays"),
        (replace(model(SMALL), kind=Kind.LOGITS), ShapeError, "logits of 8 values"),
        (replace(model(SMALL), values=(np.ones((2, 3)), np.ones(2))), ShapeError, "float32 parameters"),
        (replace(model(SMALL), values=(np.ones((2, 3), np.float32), np.ones(2))), ShapeError, "float32 parameters"),
        (model(SMALL, weight=0), ValuesError, "weighs 0; expected 1 to 1048576"),
        (model(SMALL, value=np.nan), ValuesError, "row 0 of the block is not finite"),
        (model(SMALL, value=4e4), ValuesError, "row 0 of the block is out of range"),
        (GOOD, KeysError, "part it on open; expected on parameters"),
    ],
)
def test_weights_of_another_form_are_refused(block: Block, kind: type[LimbeckError], said: str) -> None:
    with pytest.raises(kind, match=said):
        check(block, WEIGHTS)


@pytest.mark.parametrize(
    ("outline", "kind", "said"),
    [
        (of(VALUES.astype(np.float64)).outline, ShapeError, "probabilities of 3 rows .* as float64"),
        (of(VALUES[:2]).outline, ShapeError, "of 2 rows .*; expected probabilities of 3 rows"),
        (replace(GOOD, kind=Kind.LOGITS).outline, ShapeError, "logits of 3 rows"),
        (replace(GOOD.outline, layout=()), ShapeError, "of 0 rows"),
        (replace(GOOD.outline, layout=GOOD.outline.layout * 1000), ShapeError, "of 3 rows"),
        (replace(GOOD.outline, encoding=OneClass()), ShapeError, "as one class"),
    ],
)
def test_a_head_is_refused_for_what_it_says_of_its_block(outline: Outline, kind: type[LimbeckError], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        check_outlines({"labels": outline}, {"labels": TASK})
    assert len(str(caught.value)) < 500


def test_the_payload_of_what_was_asked_for_has_one_size() -> None:
    assert check_outlines({"labels": GOOD.outline}, {"labels": TASK}) == VALUES.nbytes
    assert check_outlines({}, {}) == 0


def test_the_payload_of_a_model_has_the_size_of_one_of_the_architectures() -> None:
    assert check_outlines({"model": model(SMALL).outline}, {"model": WEIGHTS}) == 4 * (2 * 3 + 2)
    assert check_outlines({"model": model(LARGE).outline}, {"model": WEIGHTS}) == 4 * (4 * 3 + 4)


@pytest.mark.parametrize(
    "block",
    [model({"w": (2, 3)}), model({**SMALL, "c": (1,)}), replace(model(SMALL), kind=Kind.LOGITS)],
    ids=["too small", "too large", "of another kind"],
)
def test_a_head_is_refused_for_a_model_that_cannot_be_one_of_the_architectures(block: Block) -> None:
    with pytest.raises(ShapeError, match=r"expected float32 parameters of .*; join with that model"):
        check_outlines({"model": block.outline}, {"model": WEIGHTS})


DOWN = {"labels": LABELS, "model": Form.model()}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"lables": GOOD}, "round 3: method x made a part 'lables'; expected one of labels, model"),
        (
            {"labels": of(VALUES[:, :2])},
            r"of shape \[2\] as part labels; expected .* of shape \[3\]",
        ),
        ({"labels": replace(GOOD, kind=Kind.LOGITS)}, "made logits on open .* as part labels"),
        ({"labels": model(SMALL)}, "made parameters on parameters"),
        ({"model": model(SMALL, value=np.inf)}, "an aggregate that is not finite, in part model"),
    ],
)
def test_an_aggregate_that_is_not_what_its_method_declared_is_blamed_on_it(parts: Parts, said: str) -> None:
    check_aggregate(Aggregate({ALL: {"labels": GOOD}, SERVER: {"model": model(SMALL)}}), DOWN, "round 3: method x")
    with pytest.raises(MethodError, match=said):
        check_aggregate(Aggregate({SERVER: parts}), DOWN, "round 3: method x")


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
