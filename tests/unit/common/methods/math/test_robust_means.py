"""Robust means against numbers worked out by hand, and attackers that they withstand."""

from itertools import permutations

import numpy as np
import pytest
from support.aggregators import aggregated, history
from support.method_rounds import to_all

from limbeck_common.core.blocks import Block, Rows, class_scores, soft_labels
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.fedmd import FedMD
from limbeck_common.methods.math.robust_means import filtered_mean, to_probabilities, trimmed_mean

SPEC = Spec(output=Output(width=3), sample_shape=(1,), sample_dtype="|u1", open_rows=50)
ROWS = Rows(np.arange(50))
TRUTH = np.eye(3)[np.arange(50) % 3] * 0.85 + 0.05


def uplinks(honest: int = 8, hostile: int = 2) -> dict[str, Block]:
    """Honest clients near the truth, and hostile ones that are sure of the next class."""
    random = np.random.default_rng(1)
    values = [0.8 * TRUTH + 0.2 * random.dirichlet([1, 1, 1], 50) for _ in range(honest)]
    values += [np.roll(np.eye(3)[np.arange(50) % 3], 1, axis=1)] * hostile
    return {f"c{number}": soft_labels(ROWS, value.astype(np.float32)) for number, value in enumerate(values)}


def test_a_trimmed_mean_leaves_out_the_extremes_of_each_value() -> None:
    stack = np.array([[[1.0, 9]], [[2, 1]], [[100, 2]], [[3, 3]]])
    assert trimmed_mean(stack, 1).tolist() == [[2.5, 2.5]]
    assert trimmed_mean(stack[:2], 1).tolist() == [[1.5, 5]]  # of two, none can be cut


@pytest.mark.parametrize(("clients", "cut"), [(1, 0), (2, 0), (3, 1), (5, 1), (6, 2), (10, 2)])
def test_as_many_are_cut_as_there_may_be_attackers_rounded_up(clients: int, cut: int) -> None:
    values = [[1, 0, 0]] * (clients - cut) + [[0, 1, 0]] * cut
    blocks = {f"c{number}": soft_labels(Rows([0]), np.array([each], np.float32)) for number, each in enumerate(values)}
    for robust in ("trimmed", "cronus"):
        method = DSFL(aggregation="sa", robust=robust, open_per_round=1)
        spec = SPEC.model_copy(update={"open_rows": 1})
        aggregate = to_all(aggregated(method, history(spec), blocks).aggregate()).array[:]
        assert aggregate.tolist() == [[1, 0, 0]]


def test_the_filter_drops_the_furthest_along_the_direction_of_most_variance() -> None:
    # The first two rows' clients agree but one, another one each; then the mean is the others'.
    stack = np.array([[[1.0, 0], [0, 1]], [[1, 0], [0.1, 0.9]], [[1, 0], [1, 0]], [[0, 1], [0.2, 0.8]]])
    assert filtered_mean(stack, 1).tolist() == [[1, 0], [pytest.approx(0.1), pytest.approx(0.9)]]
    assert filtered_mean(stack, 0).tolist() == stack.mean(axis=0).tolist()
    assert filtered_mean(stack, 9).shape == (2, 2)  # one is always left


def test_a_median_becomes_a_distribution_again() -> None:
    assert to_probabilities(np.array([[0.2, 0.2, 0], [0, 0, 0]])).tolist() == [[0.5, 0.5, 0], [1 / 3] * 3]


@pytest.mark.parametrize("robust", ["median", "trimmed", "cronus"])
def test_two_attackers_of_ten_move_a_mean_further_than_a_robust_one(robust: str) -> None:
    def error(kind: str, brought: dict[str, Block]) -> float:
        method = DSFL(aggregation="sa", robust=kind, open_per_round=50)
        block = to_all(aggregated(method, history(SPEC), brought).aggregate())
        assert block.array[:].sum(axis=1) == pytest.approx(np.ones(50), abs=1e-6)
        return float(np.abs(block.array[:] - TRUTH).mean())

    assert error(robust, uplinks()) < error("none", uplinks()) / 2
    assert error(robust, uplinks(8, 0)) < 2 * error("none", uplinks(8, 0))


@pytest.mark.parametrize("robust", ["median", "trimmed", "cronus"])
def test_robust_means_do_not_depend_on_the_order_of_arrival(robust: str) -> None:
    method = DSFL(robust=robust, open_per_round=50)
    brought = dict(list(uplinks().items())[-4:])
    aggregate = [
        to_all(aggregated(method, history(SPEC), dict(order)).aggregate()).array[:].tobytes()
        for order in permutations(brought.items())
    ]
    assert len(set(aggregate)) == 1


def test_scores_of_any_size_from_an_attacker_do_not_reach_fedmds_median() -> None:
    method = FedMD(robust="median", open_per_round=50)
    scores = [np.tile(np.float32([value, 0, -value]), (50, 1)) for value in (1, 2, 30000)]
    brought = {f"c{number}": class_scores(ROWS, each) for number, each in enumerate(scores)}
    assert to_all(aggregated(method, history(SPEC), brought).aggregate()).array[:].tolist() == [[2, 0, -2]] * 50


@pytest.mark.parametrize("robust", ["median", "trimmed", "cronus"])
def test_a_constant_added_to_a_clients_scores_changes_no_robust_mean(robust: str) -> None:
    # Scores say the same whatever is added to a row: logarithms of probabilities lie far below a network's logits.
    random = np.random.default_rng(2)
    scores = [random.normal(size=(50, 3)).astype(np.float32) for _ in range(5)]
    shifted = [*scores[:4], scores[4] - random.uniform(4, 6, (50, 1)).astype(np.float32)]
    method = FedMD(robust=robust, open_per_round=50)
    found = [
        to_all(
            aggregated(method, history(SPEC), {f"c{n}": class_scores(ROWS, v) for n, v in enumerate(each)}).aggregate()
        ).array[:]
        for each in (scores, shifted)
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_attackers_stand_out_in_the_disagreement() -> None:
    brought = uplinks()
    scores = {name: class_scores(ROWS, np.log(np.maximum(block.array[:], 1e-7))) for name, block in brought.items()}
    for method, blocks in ((DSFL(open_per_round=50), brought), (FedMD(open_per_round=50), scores)):
        found = aggregated(method, history(SPEC), blocks).disagreement()
        assert min(found["c8"], found["c9"]) > 2 * max(value for name, value in found.items() if name < "c8")
