"""What a round's uplinks are to a method: sums, stacks and the blocks themselves, whatever the order of received."""

import hashlib
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from support.aggregators import Asking, aggregated, context, together

from limbeck_common.core.blocks import Block, Rows, Space, parameters, soft_labels
from limbeck_common.core.errors import KeysError, MethodError, ShapeError, ValuesError
from limbeck_common.core.exact_sums import MOST_WEIGHT
from limbeck_common.core.form import Ask
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.method import ServerContext
from limbeck_common.methods.server_round import ServerRound
from limbeck_common.wire.digest import parts_digest
from limbeck_server.aggregation.aggregator import RoundAggregator, aggregate_digest
from limbeck_server.aggregation.validation import HEAVIEST

SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=10)
WANTED = Rows(np.array([2, 3, 7]))
LABELS = Ask(Space.OPEN, Kind.PROBABILITIES, WANTED)
SHAPES = {"w": (2,)}
WEIGHTS = Ask(Space.PARAMETERS, Kind.PARAMETERS, weighted=True, models={"mlp": SHAPES, "cnn": {"w": (3,)}})
ANNE = soft_labels(WANTED, np.array([[1, 0], [0.5, 0.5], [0, 1]], np.float32))
BERT = soft_labels(WANTED, np.array([[0, 1], [0.5, 0.5], [0, 1]], np.float32))
CARL = soft_labels(WANTED, np.array([[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]], np.float32))
ALL = {"anne": ANNE, "bert": BERT, "carl": CARL}


def brought(ask: Ask, **uplinks: Block) -> RoundAggregator:
    return aggregated(Asking(ask=ask), context(SPEC, ask.models), uplinks)


def test_stacks_hold_each_clients_rows_by_name_whatever_the_order_of_arrival() -> None:
    for order in permutations(ALL):
        (stack,) = brought(LABELS, **{name: ALL[name] for name in order}).stacks()
        assert stack.shape == (3, 3, 2)
        assert stack[:, 0].tolist() == [[1, 0], [0, 1], [0.5, 0.5]]


def test_many_rows_come_in_several_stacks() -> None:
    rows = 200_000
    ask = replace(LABELS, wanted=Rows(np.arange(rows)))
    values = np.random.default_rng(0).dirichlet(np.ones(2), rows).astype(np.float32)
    wide = aggregated(
        Asking(ask=ask),
        context(SPEC.model_copy(update={"open_rows": rows})),
        {name: soft_labels(ask.wanted, shown) for name, shown in (("a", values), ("b", values[:, ::-1]))},
    )
    stacks = list(wide.stacks())
    assert len(stacks) > 1
    assert max(stack.nbytes for stack in stacks) <= 1 << 20
    whole = np.concatenate(stacks, axis=1)
    assert np.array_equal(whole, np.stack([values, values[:, ::-1]]))


@pytest.mark.parametrize(("clients", "rows"), [(1, 1 << 17), (2, 1 << 16), (4, 1 << 15)])
def test_a_stack_has_as_many_rows_as_make_a_megabyte(clients: int, rows: int) -> None:
    ask = replace(LABELS, wanted=Rows(np.arange(150_000)))
    block = soft_labels(ask.wanted, np.full((150_000, 2), 0.5, np.float32))
    spec = SPEC.model_copy(update={"open_rows": 150_000})
    stacked = aggregated(Asking(ask=ask), context(spec), {f"client-{number}": block for number in range(clients)})
    sizes = [stack.shape[1] for stack in stacked.stacks()]
    assert sizes == [rows] * (150_000 // rows) + [150_000 % rows]


def test_a_row_of_more_than_a_megabyte_is_a_stack_of_its_own() -> None:
    classes = (1 << 18) + 1
    values = np.zeros((3, classes), np.float32)
    values[:, 0] = 1
    wide = aggregated(
        Asking(ask=LABELS),
        context(SPEC.model_copy(update={"output": Output(width=classes)})),
        {"a": soft_labels(WANTED, values)},
    )
    assert [stack.shape for stack in wide.stacks()] == [(1, 1, classes)] * 3


def test_disagreement_is_the_mean_total_variation_distance_from_the_average() -> None:
    # The averages are [0.5, 0.5], [0.5, 0.5] and [0.25, 0.75]; half the sum of the differences, a row, then their mean.
    assert brought(LABELS, **ALL).disagreement() == {
        "anne": pytest.approx((0.5 + 0 + 0.25) / 3, abs=1e-6),
        "bert": pytest.approx((0.5 + 0 + 0.25) / 3, abs=1e-6),
        "carl": pytest.approx((0 + 0 + 0.5) / 3, abs=1e-6),
    }


def test_disagreement_counts_only_the_rows_that_a_client_answered() -> None:
    def on(*rows: int) -> Block:
        return soft_labels(Rows(np.array(rows)), np.tile(np.float32([1, 0]), (len(rows), 1)))

    other = soft_labels(Rows(np.array([7])), np.array([[0, 1]], np.float32))
    found = brought(replace(LABELS, partial=True), anne=on(2, 7), bert=other, carl=on()).disagreement()
    assert found == {"anne": 0.25, "bert": 0.5, "carl": 0.0}  # on row 2 anne is alone, on row 7 the average is halfway


def test_scores_are_compared_as_their_softmax_whatever_their_size() -> None:
    def scored(first: float) -> Block:
        return Block(Space.CLASSES, Rows(np.array([1])), Kind.LOGITS, (np.array([[first, 0]], np.float32),))

    ask = Ask(Space.CLASSES, Kind.LOGITS, partial=True)
    found = brought(ask, anne=scored(0), bert=scored(0), carl=scored(30000)).disagreement()
    # Softmaxes [1/2, 1/2] twice and [1, 0]: their average is [2/3, 1/3].
    assert found == {"anne": pytest.approx(1 / 6, abs=1e-6), "bert": pytest.approx(1 / 6, abs=1e-6), "carl": 0.333333}


def test_weights_have_no_disagreement() -> None:
    assert brought(WEIGHTS, anne=parameters({"w": np.ones(2)})).disagreement() == {}


def test_models_are_summed_by_architecture_and_by_weight() -> None:
    found = brought(
        WEIGHTS,
        anne=parameters({"w": np.array([1.0, 2.0])}, weight=3),
        bert=parameters({"w": np.array([5.0, 0.0])}, weight=1),
        carl=parameters({"w": np.array([7.0, 7.0, 7.0])}, weight=9),
    )
    assert {group: tally.means()["w"].tolist() for group, tally in found.models.items()} == {
        "mlp": [(3 * 1 + 5) / 4, (3 * 2 + 0) / 4],
        "cnn": [7.0, 7.0, 7.0],
    }
    assert list(brought(WEIGHTS, anne=parameters({"w": np.zeros(3)})).models) == ["cnn"]


def test_weight_that_could_overflow_the_sums_is_refused_before_its_receipt() -> None:
    full = MOST_WEIGHT[Kind.PARAMETERS] // HEAVIEST
    heavy, light = parameters({"w": np.ones(2)}, HEAVIEST), parameters({"w": np.ones(2)})
    aggregator = brought(WEIGHTS)
    for _ in range(full):
        aggregator.reserve(heavy, "mlp")
    with pytest.raises(ValuesError, match=r"a block that brings the round's weight to \d+; expected at most 16777215"):
        aggregator.reserve(heavy, "mlp")
    aggregator.reserve(light, "mlp")
    aggregator.reserve(heavy, "cnn")  # each architecture has its own sums


class Counted(Asking):
    """Its clients send each row's number of a class in a byte; one byte is of no class."""

    def server_decode(self, context: ServerContext, number: int, block: Block) -> Block:
        codes = np.asarray(block.array[:])[:, 0]
        if codes.max() >= context.spec.output.width:
            raise ShapeError(f"round {number}: a code of no class")
        return replace(
            block, kind=Kind.PROBABILITIES, values=(np.eye(context.spec.output.width, dtype=np.float32)[codes],)
        )

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        return Aggregate.to_all(soft_labels(WANTED, server.collect(mean for mean in server.tally.means())))


def test_an_aggregate_that_is_not_finite_is_refused_before_it_spreads() -> None:
    found = brought(LABELS, **ALL)
    good = soft_labels(Rows([0]), np.array([[0.5, 0.5]], np.float32))
    found.check_aggregate(Aggregate.to_all(good))
    bad = soft_labels(Rows([0]), np.array([[np.nan, 0.5]], np.float32))
    with pytest.raises(MethodError, match="round 1: method dsfl made an aggregate that is not finite"):
        found.check_aggregate(Aggregate({"": good, "other": bad}))


def test_one_number_that_is_not_finite_is_found_in_a_large_aggregate() -> None:
    values = np.full((400_000, 2), 0.5, np.float32)
    values[-1, -1] = np.inf
    with pytest.raises(MethodError, match="made an aggregate that is not finite"):
        brought(LABELS).check_aggregate(Aggregate.to_all(soft_labels(Rows(np.arange(len(values))), values)))


def test_codes_are_added_up_as_the_method_decodes_them_and_kept_as_they_came() -> None:
    ask = Ask(Space.OPEN, Kind.CODES, WANTED, dtype="|u1", columns=1)

    def codes(*numbers: int) -> Block:
        return Block(Space.OPEN, WANTED, Kind.CODES, (np.array([numbers], np.uint8).T,))

    found = aggregated(Counted(ask=ask), context(SPEC), {"b": codes(1, 1, 0), "a": codes(1, 0, 0)})
    assert found.aggregate().blocks[""].array[:].tolist() == [[0, 1], [0.5, 0.5], [1, 0]]
    assert [(name, block.array[:, 1].tolist()) for name, block in found.uplinks()] == [  # type: ignore[call-overload]
        ("a", [1, 0, 0]),
        ("b", [1, 1, 0]),
    ]
    assert found.disagreement() == {"a": pytest.approx(1 / 6, abs=1e-6), "b": pytest.approx(1 / 6, abs=1e-6)}
    with pytest.raises(ShapeError, match="round 1: a code of no class"):
        found.check(codes(0, 1, 2))


def test_refilled_from_the_store_it_is_what_it_was() -> None:
    live = brought(WEIGHTS, b=parameters({"w": np.ones(2)}, 3), a=parameters({"w": np.full(3, 0.1)}, 5))
    again = RoundAggregator(Asking(ask=WEIGHTS), context(SPEC, WEIGHTS.models), 1, live.stored, together)
    again.refill()
    assert again.clients == live.clients == 2
    for group, tally in live.models.items():
        assert np.array_equal(again.models[group].sums["w"], tally.sums["w"])
        assert again.models[group].count == tally.count


def test_refilled_from_the_store_it_has_room_only_for_the_weight_that_is_left() -> None:
    full = MOST_WEIGHT[Kind.PARAMETERS] // HEAVIEST
    heavy = parameters({"w": np.ones(2)}, HEAVIEST)
    stored = [(f"client-{number}", heavy) for number in range(full)]
    again = RoundAggregator(Asking(ask=WEIGHTS), context(SPEC, WEIGHTS.models), 1, lambda: iter(stored), together)
    again.refill()
    with pytest.raises(ValuesError, match="a block that brings the round's weight to"):
        again.reserve(heavy, "mlp")


def test_a_store_that_does_not_fit_the_settings_is_refused_at_the_start() -> None:
    again = RoundAggregator(
        Asking(ask=LABELS), context(SPEC), 1, lambda: iter([("a", parameters({"w": np.ones(2)}))]), together
    )
    with pytest.raises(KeysError, match="keys of the space parameters; expected of the space open"):
        again.refill()


def test_an_aggregate_of_one_block_has_its_digest_and_of_several_one_over_them() -> None:
    one, other = parts_digest(ANNE).hex(), parts_digest(BERT).hex()
    assert aggregate_digest({"": one}) == aggregate_digest({"mlp": one}) == one
    both = hashlib.sha256(f" {one}\nmlp {other}\n".encode()).hexdigest()
    assert aggregate_digest({"": one, "mlp": other}) == aggregate_digest({"mlp": other, "": one}) == both
    others: list[dict[str, Any]] = [{"": other, "mlp": one}, {"": one, "cnn": other}, {"": one}]
    assert both not in map(aggregate_digest, others)
