"""CFD's codes, against numbers worked out by hand, and both sides' chain of changes."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.aggregators import Past

from limbeck_common.core.blocks import Block, Rows, Space, soft_labels
from limbeck_common.core.errors import ValuesError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import SERVER, Aggregate
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.cfd import CFD, applied, changes, code_bytes, decode, encode, quantised

SPEC = Spec(seed=5, output=Output(width=3), sample_shape=(1,), sample_dtype="|u1", open_rows=4)
ROWS = Rows(np.arange(4))


def probabilities(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def codes(*rows: list[int]) -> Block:
    return Block(Space.OPEN, ROWS, Kind.CODES, (np.array(rows, np.uint8),))


def content(block: Block | None) -> list[list[int]]:
    assert block is not None
    listed: list[list[int]] = block.array[:].tolist()
    return listed


class Parrot:
    """A learner that predicts what it was told last."""

    def __init__(self, says: NDArray[np.float32]) -> None:
        self.says = says
        self.distilled = 0

    def fit(self, *_: Any) -> None:
        return

    def distill(self, _x: NDArray[Any], labels: NDArray[np.float32], _recipe: Any) -> None:
        self.distilled += 1
        self.says = labels

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return self.says[: len(x)]

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def load_state(self, _state: dict[str, NDArray[Any]]) -> None:
        raise AssertionError


def participant(says: NDArray[np.float32]) -> tuple[Participant, Parrot]:
    learner = Parrot(says)
    private = Examples(np.zeros((1, 1), np.uint8), np.zeros(1, np.int64))
    return Participant(SPEC, learner, ParticipantData(private, np.zeros((4, 1), np.uint8))), learner


def test_one_bit_is_the_likeliest_class_and_of_equals_the_first() -> None:
    assert quantised(probabilities([0.2, 0.5, 0.3], [0.4, 0.2, 0.4]), 1).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_two_bits_are_thirds_that_sum_to_one() -> None:
    # 0.5, 0.3, 0.2 are 1.5, 0.9, 0.6 thirds: down to 1, 0, 0; two lack, for the remainders 0.9 and 0.6.
    # 0.9, 0.06, 0.04 are 2.7, 0.18, 0.12 thirds: down to 2, 0, 0; one lacks, for the remainder 0.7.
    assert quantised(probabilities([0.5, 0.3, 0.2], [0.9, 0.06, 0.04]), 2).tolist() == [[1, 1, 1], [3, 0, 0]]


def test_labels_that_do_not_quite_sum_to_one_are_scaled_first() -> None:
    labels = probabilities([0.5, 0.3, 0.2], [0.9, 0.06, 0.04])
    assert quantised(labels * 2, 2).tolist() == quantised(labels, 2).tolist()


def test_no_other_step_is_nearer() -> None:
    labels = np.random.default_rng(0).dirichlet(np.ones(3), 50).astype(np.float32)
    grid = np.array([steps for steps in product(range(8), repeat=3) if sum(steps) == 7]) / 7
    for label, steps in zip(labels, quantised(labels, 3) / 7, strict=True):
        assert np.abs(label - steps).sum() == pytest.approx(np.abs(label - grid).sum(axis=1).min(), abs=1e-6)


@pytest.mark.parametrize(("classes", "bits"), [(3, 1), (255, 1), (256, 1), (1000, 1), (3, 2), (10, 8)])
def test_codes_come_back_as_the_quantised_labels(classes: int, bits: int) -> None:
    labels = np.random.default_rng(classes).dirichlet(np.full(classes, 0.1), 200).astype(np.float32)
    sent = encode(labels, bits)
    assert sent.shape == (200, code_bytes(classes, bits))
    assert sent.any(axis=1).all()
    assert np.array_equal(decode(sent, bits, classes), (quantised(labels, bits) / (2**bits - 1)).astype(np.float32))


def test_one_bit_takes_a_byte_a_row_and_two_beyond_255_classes() -> None:
    assert [code_bytes(classes, 1) for classes in (10, 255, 256, 100_000)] == [1, 1, 2, 3]
    assert encode(probabilities([0, 1, 0]), 1).tolist() == [[2]]
    last = np.eye(256, dtype=np.float32)[255:]
    assert encode(last, 1).tolist() == [[0, 1]]


def test_changes_are_whole_rows_and_zeros_stand_for_the_rest() -> None:
    before, now = np.array([[1, 2], [3, 0]], np.uint8), np.array([[1, 2], [0, 3]], np.uint8)
    assert changes(now, before).tolist() == [[0, 0], [0, 3]]
    assert applied(changes(now, before), before).tolist() == now.tolist()
    swapped = np.array([[2, 1], [3, 0]], np.uint8)
    assert changes(swapped, np.array([[1, 1], [3, 0]], np.uint8)).tolist() == [[2, 1], [0, 0]]  # one byte is the same
    assert changes(now, None) is now
    assert applied(now, None) is now


@pytest.mark.parametrize("bits", [1, 2])
def test_rows_that_are_no_codes_are_refused(bits: int) -> None:
    width = code_bytes(3, bits)
    for wrong in (np.zeros((1, width), np.uint8), np.full((1, width), 9, np.uint8)):
        with pytest.raises(ValuesError, match="row 0 of the block is not a code"):
            decode(wrong, bits, 3)


def test_an_uplink_says_where_it_differs_from_the_last_aggregate() -> None:
    method = CFD(open_per_round=4)
    says = probabilities([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0])
    client, _ = participant(says)
    assert content(method.client_update(client, ROWS, 1)) == [[1], [2], [3], [2]]
    client.memory["codes"] = np.array([[1], [2], [1], [1]], np.uint8)
    sent = method.client_update(client, ROWS, 2)
    assert content(sent) == [[0], [0], [3], [2]]
    past = Past(SPEC, {1: codes([1], [2], [1], [1])})
    received = method.server_decode(past, 2, sent)
    assert received.kind is Kind.PROBABILITIES
    assert np.array_equal(received.array[:], says)


def test_a_first_uplink_cannot_refer_to_anything() -> None:
    with pytest.raises(ValuesError):
        CFD(open_per_round=4).server_decode(Past(SPEC), 1, codes([0], [1], [1], [1]))


def test_with_more_bits_down_than_up_the_reference_is_what_a_client_would_have_sent() -> None:
    method = CFD(open_per_round=4, bits_down=2)
    client, _ = participant(probabilities([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]))
    aggregate = codes([2, 1, 0], [0, 3, 0], [1, 1, 1], [0, 1, 2])  # thirds: classes 1, 2, 1 (the first of three), 3
    method.client_receive(client, aggregate, 1)
    client.learner.says = probabilities([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1])  # type: ignore[attr-defined]
    sent = method.client_update(client, ROWS, 2)
    assert content(sent) == [[0], [0], [3], [0]]
    assert method.server_decode(Past(SPEC, {1: aggregate}), 2, sent).array[:].argmax(axis=1).tolist() == [
        0,
        1,
        2,
        2,
    ]


def test_with_more_bits_down_than_up_a_first_uplink_has_all_its_codes() -> None:
    client, _ = participant(probabilities([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]))
    sent = CFD(open_per_round=4, bits_down=2).client_update(client, ROWS, 1)
    assert content(sent) == [[1], [2], [3], [3]]


def test_a_client_that_knows_the_codes_before_gets_what_has_changed() -> None:
    method = CFD(open_per_round=4)
    past = Past(SPEC, {1: codes([1], [2], [3], [1]), 2: codes([1], [2], [1], [1])})
    assert content(method.server_downlink(past, 3, "", 2)) == [[0], [0], [1], [0]]
    assert method.server_downlink(past, 3, "", 1) is past.blocks[2]
    assert method.server_downlink(past, 2, "", 1) is past.blocks[1]
    assert method.server_downlink(Past(SPEC), 1, "", 0) is None
    client, learner = participant(probabilities(*[[1, 0, 0]] * 4))
    for number, learned in ((2, 1), (3, 2)):
        block = method.server_downlink(past, number, "", learned)
        assert block is not None
        method.client_receive(client, block, number - 1)
    assert learner.says.argmax(axis=1).tolist() == [0, 1, 0, 0]


def test_the_servers_model_learns_the_averages_once_and_its_own_labels_go_to_the_clients() -> None:
    method = CFD(open_per_round=4)
    means = soft_labels(ROWS, probabilities([0.6, 0.4, 0], [0.1, 0.2, 0.7], [0, 1, 0], [0.5, 0.5, 0]))
    server, learner = participant(probabilities(*[[1, 0, 0]] * 4))
    refined = method.server_refine(server, lambda: iter(()), Aggregate.to_all(means), 1)
    assert content(refined.blocks[""]) == [[1], [3], [2], [1]]
    assert refined.blocks[SERVER] is means
    method.client_receive(server, refined.blocks[SERVER], 1)
    assert learner.distilled == 1  # in `refine`
    method.client_receive(
        server, refined.blocks[SERVER], 1
    )  # as after a restart, where `refine` was in another process
    assert learner.distilled == 2
