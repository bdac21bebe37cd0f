"""SCARLET's cache: which labels a round asks for, which a client is sent, and what it is trained on."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.aggregators import Past, aggregated
from support.method_rounds import only, planned, receive, to_all, update
from support.recording_learner import recording

from limbeck_common.core.blocks import Block, Rows, soft_labels
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.scarlet import Scarlet, lifetime, replaced
from limbeck_common.methods.server_round import Recipient, open_sample

OPTIONS = {"open_per_round": 4, "duration": 3}
SPEC = Spec(
    seed=5,
    output=Output(width=2),
    sample_shape=(1,),
    sample_dtype="|u1",
    open_rows=10,
    method=MethodSpec(name="scarlet", options=OPTIONS),
)
METHOD = Scarlet(open_per_round=4, duration=3)
ALL = Scarlet(open_per_round=10, duration=3)


def labelled(rows: list[int], mark: float) -> Block:
    """Soft labels that say by their value where they came from."""
    values = np.full((len(rows), 2), mark, np.float32)
    return soft_labels(Rows(np.array(rows, np.int64)), values)


class Copyist:
    """A learner that writes down what it is trained on."""

    def __init__(self) -> None:
        self.distilled: list[tuple[list[int], list[float]]] = []
        self.fits = 0

    def fit(self, *_: Any) -> None:
        self.fits += 1

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], _recipe: Any) -> None:
        self.distilled.append((x[:, 0].tolist(), labels[:, 0].tolist()))

    def predict(self, _x: NDArray[Any]) -> NDArray[np.float32]:
        raise AssertionError

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def load_state(self, _state: dict[str, NDArray[Any]]) -> None:
        raise AssertionError


def participant() -> tuple[Participant, Copyist]:
    learner = Copyist()
    return Participant(
        SPEC,
        learner,
        ParticipantData(
            Examples(np.zeros((1, 1), np.uint8), np.zeros(1, np.int64)), np.arange(10, dtype=np.uint8)[:, None]
        ),
    ), learner


def asked(method: Scarlet, past: Past, number: int) -> Rows:
    return planned(method, past, number)["labels"].rows


def play_rounds(method: Scarlet, past: Past, last: int) -> None:
    """Play the server through rounds: what is asked for is aggregated, each label the number of its round."""
    for number in range(1, last + 1):
        past.parts[number] = {"labels": labelled(asked(method, past, number).indices.tolist(), number)}


def test_a_label_lives_d_rounds_and_in_the_beginning_as_many_as_came_before() -> None:
    assert [lifetime(number, 3) for number in range(1, 7)] == [0, 1, 2, 3, 3, 3]


def test_where_all_rows_are_sampled_they_are_asked_for_in_the_rounds_worked_out_by_hand() -> None:
    past = Past(SPEC)
    play_rounds(ALL, past, 13)
    # 1 lives 0 rounds, 2 lives one (round 3), 4 lives three (5, 6, 7), 8 lives three (9, 10, 11), 12 as well.
    asked = [number for number, parts in past.parts.items() if len(parts["labels"].rows)]
    assert asked == [1, 2, 4, 8, 12]


def test_a_sample_of_which_nothing_is_known_travels_as_a_sample() -> None:
    assert asked(METHOD, Past(SPEC), 1).sample is not None


def test_only_rows_without_a_living_label_are_asked_for() -> None:
    drawn = open_sample(SPEC, 6, 4).indices.tolist()
    # In round 6 labels of round 3 (lives 2) are dead, those of round 4 (lives 3) are not.
    past = Past(SPEC, {3: {"labels": labelled(drawn[:2], 3)}, 4: {"labels": labelled(drawn[1:2], 4)}})
    assert asked(METHOD, past, 6).indices.tolist() == [drawn[0], drawn[2], drawn[3]]


def test_a_client_that_took_part_gets_the_fresh_labels_alone() -> None:
    past = Past(SPEC, {4: {"labels": labelled([0, 1], 4)}, 5: {"labels": labelled([2], 5)}})
    assert METHOD.server_downlink(past, Recipient(6, "", learned=5)) is past.parts[5]
    assert METHOD.server_downlink(Past(SPEC), Recipient(1, "", learned=0)) is None


def test_where_the_last_aggregate_is_gone_nothing_is_sent() -> None:
    past = Past(SPEC, {3: {"labels": labelled([0, 7], 3)}, 4: {"labels": labelled([0, 1], 4)}})
    assert METHOD.server_downlink(past, Recipient(6, "", learned=0)) is None


def test_a_client_that_missed_rounds_gets_the_living_labels_too() -> None:
    past = Past(
        SPEC,
        {
            2: {"labels": labelled([9], 2)},
            3: {"labels": labelled([0, 7], 3)},
            4: {"labels": labelled([0, 1], 4)},
            5: {"labels": labelled([2], 5)},
        },
    )
    # Learning from round 5 uses labels of 3 (lives 2) and 4; that of round 2 (lives 1) was last used in round 3.
    late = METHOD.server_downlink(past, Recipient(6, "", learned=0))
    assert late is not None
    assert (only(late).rows.tolist(), only(late).array[:][:, 0].tolist()) == ([0, 1, 2, 7], [4, 4, 5, 3])
    once = METHOD.server_downlink(past, Recipient(6, "", learned=4))
    assert once is not None
    assert only(once).rows.tolist() == [0, 1, 2]


def test_the_newest_label_of_a_row_counts() -> None:
    old, fresh = (np.array([1, 5]), np.ones((2, 2))), (np.array([0, 5]), np.full((2, 2), 2.0))
    rows, labels = replaced(old, fresh)
    assert (rows.tolist(), labels[:, 0].tolist()) == ([0, 1, 5], [2, 1, 2])
    rows, _ = replaced(None, (np.array([3]), np.zeros((1, 2), np.float32)))
    assert rows.tolist() == [3]


@pytest.mark.parametrize("missed", [set(), {3, 4}, {1, 2, 3, 4, 5, 6}])
def test_every_client_is_trained_on_all_of_a_rounds_rows_with_the_newest_labels(missed: set[int]) -> None:
    past = Past(SPEC)
    play_rounds(METHOD, past, 8)
    server_model, learner = participant()
    learned, expected = 0, []
    for number in range(1, 10):
        if number in missed:
            continue
        if number > 1:
            block = METHOD.server_downlink(past, Recipient(number, "", learned=learned))
            assert block is not None
            receive(METHOD, server_model, only(block), number - 1)
            drawn = open_sample(SPEC, number - 1, 4).indices.tolist()
            marks = [max(t for t in range(1, number) if row in past.parts[t]["labels"].rows.tolist()) for row in drawn]
            expected.append((drawn, [float(mark) for mark in marks]))
        learned = number
    assert learner.distilled == expected


def test_where_nothing_is_asked_for_the_aggregate_has_no_rows() -> None:
    past = Past(SPEC)
    play_rounds(ALL, past, 2)
    block = to_all(aggregated(ALL, past, {"a": labelled([], 0)}, number=3).aggregate())
    assert (block.array.shape, block.array.dtype) == ((0, 2), np.dtype("<f4"))


def test_labels_are_used_for_25_rounds_where_nothing_else_is_said() -> None:
    assert (Scarlet().duration, Scarlet().aggregation) == (25, "eera")


def test_where_nothing_is_asked_for_a_client_trains_and_predicts_nothing() -> None:
    server_model, learner = participant()
    block = update(METHOD, server_model, Rows(np.zeros(0, np.int64)), 3)
    assert (learner.fits, block.array.shape, block.array.dtype) == (1, (0, 2), np.dtype("<f4"))


def test_where_rows_are_asked_for_a_client_trains_and_predicts_them() -> None:
    labels = np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)
    private = Examples(np.zeros((1, 1), np.uint8), np.zeros(1, np.int64))
    client, learner = recording(SPEC, labels, private=private, open=np.array([[0], [1], [0]], np.uint8))
    block = update(METHOD, client, Rows(np.array([1, 2])), 3)
    assert [call for call, _, _ in learner.asked] == ["fit"]
    assert block.rows.tolist() == [1, 2]
    assert np.array_equal(block.array[:], labels[::-1])


def test_the_cache_survives_a_restart() -> None:
    past = Past(SPEC)
    play_rounds(METHOD, past, 8)
    (first, _), (second, learner) = participant(), participant()
    for number in range(2, 8):
        receive(METHOD, first, past.parts[number - 1]["labels"], number - 1)
    second.memory = {name: value.copy() for name, value in first.memory.items()}
    receive(METHOD, second, past.parts[7]["labels"], 7)
    assert learner.distilled[0][0] == open_sample(SPEC, 7, 4).indices.tolist()
