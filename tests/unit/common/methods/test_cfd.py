"""CFD's labels, against numbers worked out by hand, and both sides' chain of changes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.aggregators import Past, aggregated
from support.method_rounds import receive, update

from limbeck_common.core.arrays.encodings import OneClass
from limbeck_common.core.arrays.tensors import nbytes
from limbeck_common.core.blocks import Block, Parts, Rows, soft_labels
from limbeck_common.core.errors import KeysError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import ALL, SERVER, Aggregate
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.cfd import CFD, changes, filled, quantised
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import to_aggregate
from limbeck_common.methods.server_round import Recipient, Refinement

SPEC = Spec(seed=5, output=Output(width=3), sample_shape=(1,), sample_dtype="|u1", open_rows=4)
ROWS = Rows(np.arange(4))


def probabilities(*rows: list[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def sure(*classes: int) -> NDArray[np.float32]:
    """Return labels that are certain of a class, counted from 0."""
    return np.eye(3, dtype=np.float32)[list(classes)]


def coded(*classes: int) -> Parts:
    return {"labels": soft_labels(ROWS, OneClass().encode(sure(*classes), Kind.PROBABILITIES))}


def said(block: Block) -> dict[int, int]:
    """Return the likeliest class of each row that a block has."""
    return dict(zip(block.rows.tolist(), block.array[:].argmax(axis=1).tolist(), strict=True))


class Parrot:
    """A learner that predicts what it was told last."""

    def __init__(self, says: NDArray[np.float32]) -> None:
        self.says = says
        self.distilled = self.fitted = 0

    def fit(self, *_: Any) -> None:
        self.fitted += 1

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


@pytest.mark.parametrize(("bits", "bytes_per_row"), [(1, 1), (2, 1), (3, 2), (8, 3)])
def test_a_row_takes_as_few_bytes_as_its_bits_need(bits: int, bytes_per_row: int) -> None:
    client, _ = participant(sure(0, 1, 2, 1))
    block = update(CFD(open_per_round=4, bits_up=bits), client, ROWS)
    assert nbytes(block.array) == 4 * bytes_per_row
    assert block.array[:].tolist() == sure(0, 1, 2, 1).tolist()


def test_changes_are_whole_rows_and_the_rest_is_left_out() -> None:
    before, now = probabilities([1, 0, 0], [0, 0.6, 0.4]), soft_labels(Rows(np.array([3, 5])), sure(0, 2))
    changed = changes(now, before, OneClass())
    assert said(changed) == {5: 2}
    assert said(filled(changed, Rows(np.array([3, 5])), before)) == {3: 0, 5: 2}
    assert changes(now, None, OneClass()) is now
    assert filled(now, Rows(np.array([3, 5])), None) is now


def test_an_uplink_says_where_it_differs_from_the_last_aggregate() -> None:
    method = CFD(open_per_round=4)
    client, learner = participant(sure(0, 1, 2, 1))
    assert said(update(method, client, ROWS)) == {0: 0, 1: 1, 2: 2, 3: 1}
    assert learner.fitted == 1
    client.memory["labels"] = sure(0, 1, 0, 0)
    sent = update(method, client, ROWS, 2)
    assert said(sent) == {2: 2, 3: 1}
    made = aggregated(method, Past(SPEC, {1: coded(0, 1, 0, 0)}), {"a": {"labels": sent}}, number=2)
    received, _ = made.check({"labels": sent})
    assert received["labels"].array[:].tolist() == sure(0, 1, 2, 1).tolist()


def test_a_first_uplink_cannot_leave_anything_out() -> None:
    some = {"labels": soft_labels(Rows(np.array([1, 2])), OneClass().encode(sure(0, 1), Kind.PROBABILITIES))}
    with pytest.raises(KeysError, match="labels of 2 rows; expected of 4"):
        aggregated(CFD(open_per_round=4), Past(SPEC)).check(some)


def test_with_more_bits_down_than_up_the_reference_is_what_a_client_would_have_sent() -> None:
    method = CFD(open_per_round=4, bits_down=2)
    client, learner = participant(sure(0, 1, 2, 2))
    # Thirds: the likeliest are classes 0, 1, 0 (the first of three) and 2.
    thirds = probabilities([2 / 3, 1 / 3, 0], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 3, 2 / 3])
    aggregate = {"labels": method.forms(SPEC).down["labels"].block(thirds, ROWS)}
    receive(method, client, aggregate["labels"], 1)
    learner.says = sure(0, 1, 2, 2)
    sent = update(method, client, ROWS, 2)
    assert said(sent) == {2: 2}
    received, _ = aggregated(method, Past(SPEC, {1: aggregate}), number=2).check({"labels": sent})
    assert said(received["labels"]) == {0: 0, 1: 1, 2: 2, 3: 2}


def test_a_client_that_knows_the_labels_before_gets_what_has_changed() -> None:
    method = CFD(open_per_round=4)
    past = Past(SPEC, {1: coded(0, 1, 2, 0), 2: coded(0, 1, 0, 0)})
    some = method.server_downlink(past, Recipient(3, learned=2))
    assert some is not None
    assert said(some["labels"]) == {2: 0}
    assert method.server_downlink(past, Recipient(3, learned=1)) is past.parts[2]
    assert method.server_downlink(past, Recipient(2, learned=1)) is past.parts[1]
    assert method.server_downlink(Past(SPEC), Recipient(1)) is None
    client, learner = participant(sure(0, 0, 0, 0))
    for number, learned in ((2, 1), (3, 2)):
        parts = method.server_downlink(past, Recipient(number, learned=learned))
        assert parts is not None
        receive(method, client, parts["labels"], number - 1)
    assert learner.says.argmax(axis=1).tolist() == [0, 1, 0, 0]


def test_the_servers_model_learns_the_means_once_and_its_own_labels_go_to_the_clients() -> None:
    method = CFD(open_per_round=4)
    means = soft_labels(ROWS, probabilities([0.6, 0.4, 0], [0.1, 0.2, 0.7], [0, 1, 0], [0.5, 0.5, 0]))
    server, learner = participant(sure(0, 0, 0, 0))
    refinement = Refinement(server, 1, Aggregate({SERVER: {"means": means}}), lambda: iter(()))
    refined = to_aggregate(method.server_refine(refinement))
    assert said(refined.blocks[ALL]["labels"]) == {0: 0, 1: 2, 2: 1, 3: 0}
    assert refined.blocks[SERVER] == {"means": means}
    mine = {**refined.blocks[ALL], **refined.blocks[SERVER]}
    method.client_receive(ClientRound(server, 2, mine))
    assert learner.distilled == 1  # in `server_refine`
    method.client_receive(ClientRound(server, 2, mine))  # as after a restart: `server_refine` was in another process
    assert learner.distilled == 2


def test_one_bit_is_the_likeliest_class_and_more_are_steps() -> None:
    assert (str(quantised(1)), str(quantised(3))) == ("one class", "3 bit")
