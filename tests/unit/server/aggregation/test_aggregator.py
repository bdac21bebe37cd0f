"""What a round's uplinks are to a method: sums, stacks and the parts themselves, whatever the order of arrival."""

import hashlib
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from support.aggregators import Asking, aggregated, history, together

from limbeck_common.core.blocks import Block, Parts, Rows, Shapes, Space, parameters, soft_labels
from limbeck_common.core.errors import KeysError, MethodError, ShapeError, ValuesError
from limbeck_common.core.form import Form, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import ALL, Aggregate, group
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.server_round import ServerRound
from limbeck_common.wire.digest import parts_digest
from limbeck_server.aggregation.aggregator import RoundAggregator, aggregate_digest
from limbeck_server.aggregation.validation import HEAVIEST

SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=10)
WANTED = Rows(np.array([2, 3, 7]))
LABELS = Form.labels(SPEC.output)
WEIGHTS = Form.model()
MODELS: dict[str, Shapes] = {"mlp": {"w": (2,)}, "cnn": {"w": (3,)}}
ANNE = soft_labels(WANTED, np.array([[1, 0], [0.5, 0.5], [0, 1]], np.float32))
BERT = soft_labels(WANTED, np.array([[0, 1], [0.5, 0.5], [0, 1]], np.float32))
CARL = soft_labels(WANTED, np.array([[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]], np.float32))
EVERY = {"anne": ANNE, "bert": BERT, "carl": CARL}


def brought(form: Form, *, rows: Rows | None = WANTED, spec: Spec = SPEC, **uplinks: Block) -> RoundAggregator:
    asked = None if form.space is not Space.OPEN else rows
    return aggregated(Asking(form=form, rows=asked), history(spec, MODELS), uplinks)


def test_stacks_hold_each_clients_rows_by_name_whatever_the_order_of_arrival() -> None:
    for order in permutations(EVERY):
        (stack,) = brought(LABELS, **{name: EVERY[name] for name in order}).round.stacks("labels")
        assert stack.shape == (3, 3, 2)
        assert stack[:, 0].tolist() == [[1, 0], [0, 1], [0.5, 0.5]]


def test_many_rows_come_in_several_stacks() -> None:
    rows = Rows(np.arange(200_000))
    values = np.random.default_rng(0).dirichlet(np.ones(2), len(rows)).astype(np.float32)
    spec = SPEC.model_copy(update={"open_rows": len(rows)})
    blocks = {name: soft_labels(rows, shown) for name, shown in (("a", values), ("b", values[:, ::-1]))}
    stacks = list(brought(LABELS, rows=rows, spec=spec, **blocks).round.stacks("labels"))
    assert len(stacks) > 1
    assert max(stack.nbytes for stack in stacks) <= 1 << 20
    assert np.array_equal(np.concatenate(stacks, axis=1), np.stack([values, values[:, ::-1]]))


@pytest.mark.parametrize(("clients", "rows"), [(1, 1 << 17), (2, 1 << 16), (4, 1 << 15)])
def test_a_stack_has_as_many_rows_as_make_a_megabyte(clients: int, rows: int) -> None:
    every = Rows(np.arange(150_000))
    block = soft_labels(every, np.full((150_000, 2), 0.5, np.float32))
    spec = SPEC.model_copy(update={"open_rows": 150_000})
    stacked = brought(LABELS, rows=every, spec=spec, **{f"client-{number}": block for number in range(clients)})
    sizes = [stack.shape[1] for stack in stacked.round.stacks("labels")]
    assert sizes == [rows] * (150_000 // rows) + [150_000 % rows]


def test_a_row_of_more_than_a_megabyte_is_a_stack_of_its_own() -> None:
    classes = (1 << 18) + 1
    values = np.zeros((3, classes), np.float32)
    values[:, 0] = 1
    spec = SPEC.model_copy(update={"output": Output(width=classes)})
    wide = brought(Form.labels(spec.output), spec=spec, a=soft_labels(WANTED, values))
    assert [stack.shape for stack in wide.round.stacks("labels")] == [(1, 1, classes)] * 3


def test_disagreement_is_the_mean_total_variation_distance_from_the_average() -> None:
    # The averages are [0.5, 0.5], [0.5, 0.5] and [0.25, 0.75]; half the sum of the differences, a row, then their mean.
    assert brought(LABELS, **EVERY).disagreement() == {
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

    form = Form(Kind.LOGITS, Space.CLASSES, (2,), partial=True)
    found = brought(form, anne=scored(0), bert=scored(0), carl=scored(30000)).disagreement()
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
    assert {name: tally.means()["w"].tolist() for name, tally in found.round.models("labels").items()} == {
        "mlp": [(3 * 1 + 5) / 4, (3 * 2 + 0) / 4],
        "cnn": [7.0, 7.0, 7.0],
    }
    assert list(brought(WEIGHTS, anne=parameters({"w": np.zeros(3)})).round.models("labels")) == ["cnn"]


def test_weight_that_could_overflow_the_sums_is_refused_before_its_receipt() -> None:
    full = Kind.PARAMETERS.most_weight // HEAVIEST
    heavy, light = ({"labels": parameters({"w": np.ones(2)}, weight)} for weight in (HEAVIEST, 1))
    aggregator = brought(WEIGHTS)
    for _ in range(full):
        aggregator.reserve(heavy, "mlp")
    with pytest.raises(ValuesError, match=r"a block that brings the round's weight to \d+; expected at most 16777215"):
        aggregator.reserve(heavy, "mlp")
    aggregator.reserve(light, "mlp")
    aggregator.reserve(heavy, "cnn")  # each architecture has its own sums


def test_a_weight_per_key_counts_as_its_heaviest() -> None:
    form = Form(Kind.FEATURES, Space.CLASSES, (3,), partial=True, weights=Weights.KEY)
    aggregator = brought(form)
    heavy = Kind.FEATURES.most_weight
    block = Block(Space.CLASSES, Rows(np.array([0, 1])), Kind.FEATURES, (np.ones((2, 3)),), np.array([1, heavy]))
    aggregator.reserve({"labels": block}, "")
    with pytest.raises(ValuesError, match="part labels: a block that brings the round's weight to"):
        aggregator.reserve({"labels": replace(block, weight=np.array([1, 1]))}, "")


class Mirrored(Asking):
    """Its clients send their labels with the classes in reverse; a certain label of the first class is refused."""

    def server_decode(self, server: ServerRound, parts: Parts) -> Parts:
        labels = np.asarray(parts["labels"].array[:])[:, ::-1]
        if labels[:, 0].max() == 1:
            raise ShapeError(f"round {server.number}: too sure")
        return {"labels": replace(parts["labels"], values=(labels,))}


def test_uplinks_are_added_up_as_the_method_decodes_them_and_kept_as_they_came() -> None:
    def labels(*first: float) -> Block:
        return soft_labels(WANTED, np.array([[each, 1 - each] for each in first], np.float32))

    method = Mirrored(form=LABELS, rows=WANTED)
    found = aggregated(method, history(SPEC), {"b": labels(1, 0.5, 0.25), "a": labels(0.5, 0.5, 0.25)})
    assert np.concatenate(list(found.round.means("labels"))).tolist() == [[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]]
    for uplinks, column in ((found.stored(), 0), (found.round.uplinks(), 1)):
        assert [(name, parts["labels"].array[:][:, column].tolist()) for name, parts in uplinks] == [
            ("a", [0.5, 0.5, 0.25]),
            ("b", [1, 0.5, 0.25]),
        ]
    assert found.disagreement() == {"a": pytest.approx(1 / 12, abs=1e-6), "b": pytest.approx(1 / 12, abs=1e-6)}
    with pytest.raises(ShapeError, match="round 1: too sure"):
        found.check({"labels": labels(0, 0.5, 0.5)})


def test_an_aggregate_that_is_not_finite_is_refused_before_it_spreads() -> None:
    found = brought(LABELS, **EVERY)
    good = {"labels": soft_labels(Rows([0]), np.array([[0.5, 0.5]], np.float32))}
    found.check_aggregate(Aggregate.to_all(good))
    bad = {"labels": soft_labels(Rows([0]), np.array([[np.nan, 0.5]], np.float32))}
    with pytest.raises(MethodError, match="round 1: method dsfl made an aggregate that is not finite, in part labels"):
        found.check_aggregate(Aggregate({ALL: good, group("other"): bad}))


def test_one_number_that_is_not_finite_is_found_in_a_large_aggregate() -> None:
    values = np.full((400_000, 2), 0.5, np.float32)
    values[-1, -1] = np.inf
    large = {"labels": soft_labels(Rows(np.arange(len(values))), values)}
    with pytest.raises(MethodError, match="made an aggregate that is not finite"):
        brought(LABELS).check_aggregate(Aggregate.to_all(large))


def test_refilled_from_the_store_it_is_what_it_was() -> None:
    live = brought(WEIGHTS, b=parameters({"w": np.ones(2)}, 3), a=parameters({"w": np.full(3, 0.1)}, 5))
    again = RoundAggregator(Asking(form=WEIGHTS), history(SPEC, MODELS), 1, live.stored, together)
    again.refill()
    assert again.clients == live.clients == 2
    for name, tally in live.round.models("labels").items():
        assert np.array_equal(again.round.models("labels")[name].sums["w"], tally.sums["w"])
        assert again.round.models("labels")[name].weight == tally.weight


def test_refilled_from_the_store_it_has_room_only_for_the_weight_that_is_left() -> None:
    full = Kind.PARAMETERS.most_weight // HEAVIEST
    heavy = {"labels": parameters({"w": np.ones(2)}, HEAVIEST)}
    stored = [(f"client-{number}", heavy) for number in range(full)]
    again = RoundAggregator(Asking(form=WEIGHTS), history(SPEC, MODELS), 1, lambda: iter(stored), together)
    again.refill()
    with pytest.raises(ValuesError, match="a block that brings the round's weight to"):
        again.reserve(heavy, "mlp")


def test_a_store_that_does_not_fit_the_settings_is_refused_at_the_start() -> None:
    stored = [("a", {"labels": parameters({"w": np.ones(2)})})]
    method = Asking(form=LABELS, rows=WANTED)
    again = RoundAggregator(method, history(SPEC), 1, lambda: iter(stored), together)
    with pytest.raises(KeysError, match="part labels on parameters; expected on open"):
        again.refill()


def test_an_aggregate_for_one_audience_has_its_digest_and_for_several_one_over_them() -> None:
    one, other = (parts_digest({"labels": block}).hex() for block in (ANNE, BERT))
    assert aggregate_digest({ALL: one}) == aggregate_digest({"group:1": one}) == one
    both = hashlib.sha256(f"all {one}\ngroup:1 {other}\n".encode()).hexdigest()
    assert aggregate_digest({ALL: one, "group:1": other}) == aggregate_digest({"group:1": other, ALL: one}) == both
    others: list[dict[str, Any]] = [{ALL: other, "group:1": one}, {ALL: one, "group:2": other}, {ALL: one}]
    assert both not in map(aggregate_digest, others)
