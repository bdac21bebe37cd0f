"""FedDF's arithmetic, against numbers worked out by hand."""

from itertools import permutations
from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from support.method_rounds import only, receive, to_all, update
from support.small_models import LINEAR, OPEN, WIDE, aggregator, linear, participant, values

from limbeck_common.core.blocks import Block
from limbeck_common.core.messages import ALL, Aggregate, architecture
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.feddf import FedDF, ensemble
from limbeck_common.methods.method import to_aggregate
from limbeck_common.methods.server_round import Refinement

SURE = linear([[log(9), 0], [0, 0]], rows=3)  # on an open row, (1, 0), its logits are ln 9 and 0
FLAT = linear([[0, 0], [0, 0]], rows=1)


def scores(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def refined(sent: dict[str, Block], models: dict[str, dict[str, tuple[int, ...]]], server: Participant) -> Aggregate:
    method = FedDF(models=("wide",))
    brought = aggregator(method, sent, models)
    uplinks = brought.round.uplinks
    refinement = Refinement(server, 1, brought.aggregate(), lambda: (parts for _, parts in uplinks()))
    return to_aggregate(method.server_refine(refinement))


def test_the_ensembles_labels_are_the_softmax_of_mean_logits() -> None:
    labels = ensemble([scores([log(9), 0], [0, 1]), scores([0, 0], [0, -1])], 2)
    # Mean logits ln 3 and 0: 3 / 4 and 1 / 4. The second row's cancel.
    assert labels.tolist() == [pytest.approx([0.75, 0.25]), pytest.approx([0.5, 0.5])]


def test_the_ensemble_does_not_depend_on_the_order_of_models() -> None:
    random = np.random.default_rng(0)
    models = [random.normal(size=(5, 3)).astype(np.float32) for _ in range(4)]
    assert len({ensemble(order, 3).tobytes() for order in permutations(models)}) == 1


def test_a_model_without_sense_does_not_stop_the_others() -> None:
    labels = ensemble([scores([np.inf, -np.inf], [np.nan, 1]), scores([0, 0], [1, 0])], 2)
    # (32768, -32768) / 2 is a certain first class; no number counts as 0: (0 + 1) / 2 and (1 + 0) / 2.
    assert labels.tolist() == [[1, 0], [0.5, 0.5]]


def test_each_architecture_has_its_own_mean_and_one_that_nobody_brought_keeps_its_last() -> None:
    method, last = FedDF(models=("wide",)), linear([[7, 7], [7, 7]])
    sent = {"a": update(FedDF(), participant("wide"), number=2)}
    known = {(1, ALL): {"model": last}}
    models = {"linear": LINEAR, "wide": WIDE}
    aggregate = aggregator(method, sent, models, 2, lambda number, audience: known.get((number, audience))).aggregate()
    assert aggregate.blocks[ALL]["model"] is last
    assert values(aggregate.blocks[architecture("wide")]["model"]) == {
        name: pytest.approx(value, abs=1e-7) if np.ndim(value) == 1 else [pytest.approx(row, abs=1e-7) for row in value]
        for name, value in values(sent["a"]).items()
    }
    assert list(aggregator(method, sent, models, 1).aggregate().blocks) == [architecture("wide")]


def test_distillation_is_a_step_from_the_mean_towards_the_ensemble() -> None:
    aggregate = to_all(refined({"a": SURE, "b": FLAT}, {"linear": LINEAR}, participant()))
    # The mean by rows has 3/4 ln 9 = 1.5 ln 3 where SURE has ln 9: on (1, 0) it says p = 3^1.5 / (3^1.5 + 1) of the
    # first class. The ensemble, where each model counts once, says 3/4. One step of 0.5 along p - 3/4, times (1, 0).
    chance = 3**1.5 / (3**1.5 + 1)
    step = 0.5 * (chance - 0.75)
    assert aggregate.parameters["weight"].ravel() == pytest.approx([1.5 * log(3) - step, 0, step, 0], abs=1e-6)
    assert aggregate.parameters["bias"] == pytest.approx([-step, step], abs=1e-6)


def test_a_linear_models_mean_is_its_ensemble_and_stays() -> None:
    sent = {"a": linear([[log(9), 0], [0, 0]]), "b": FLAT}
    aggregate = to_all(refined(sent, {"linear": LINEAR}, participant()))
    assert aggregate.parameters["weight"].ravel() == pytest.approx([log(3), 0, 0, 0], abs=1e-6)


def test_architectures_learn_from_one_another_and_leave_the_servers_own_model_alone() -> None:
    server, other = participant(), participant("wide")
    sent = {"a": SURE, "b": update(FedDF(), other)}
    before = server.parameters()["weight"].copy()
    aggregate = refined(sent, {"linear": LINEAR, "wide": WIDE}, server)
    assert np.array_equal(server.parameters()["weight"], before)
    labels = ensemble([np.array([[log(9), 0]] * 2, np.float32), other.weights.scores(OPEN)], 2)
    for name, audience, mean in (("", ALL, SURE), ("wide", architecture("wide"), sent["b"])):
        student = participant(name)
        student.load_parameters(mean.parameters)
        far = np.abs(student.predict_on(OPEN) - labels).sum()
        student.load_parameters(aggregate.blocks[audience]["model"].parameters)
        assert np.abs(student.predict_on(OPEN) - labels).sum() < far
    again = refined(sent, {"linear": LINEAR, "wide": WIDE}, server)
    assert {name: values(only(parts)) for name, parts in again.blocks.items()} == {
        name: values(only(parts)) for name, parts in aggregate.blocks.items()
    }


def test_a_newcomer_of_another_architecture_passes_over_the_servers_weights() -> None:
    newcomer, known = participant("wide"), participant()
    before = newcomer.parameters()["0.weight"].copy()
    for client in (newcomer, known):
        receive(FedDF(), client, SURE, 1)
    assert np.array_equal(newcomer.parameters()["0.weight"], before)
    assert known.parameters()["weight"].ravel() == pytest.approx([log(9), 0, 0, 0])


def test_the_servers_model_is_named_once() -> None:
    assert FedDF(models=("mlp", "cnn")).architectures("cnn") == {"cnn": "cnn", "mlp": "mlp"}


def test_a_newcomer_without_its_average_weighs_next_to_nothing_until_it_has_one() -> None:
    method, client = FedDF(models=("wide",)), participant("wide")
    assert update(method, participant("wide")).weight == 12
    receive(method, client, linear([[1, 0], [0, 1]]), 4)  # the server's architecture
    sent = update(method, client, number=5)
    assert sent.weight == 1
    receive(method, client, sent, 5)
    assert update(method, client, number=6).weight == 12
