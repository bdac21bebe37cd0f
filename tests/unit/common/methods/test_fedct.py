"""FedCT's votes: one class per row up, the majority's down."""

import numpy as np
from support.aggregators import aggregated, history
from support.method_rounds import only, receive, to_all, update
from support.recording_learner import recording

from limbeck_common.core.arrays.encoded_rows import VoteRows
from limbeck_common.core.blocks import Block, Rows, Space
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.methods.fedct import FedCT

SPEC = Spec(output=Output(width=3), sample_shape=(1,), sample_dtype="|u1", open_rows=2)
BOTH = Rows(np.arange(2))
OPEN = np.array([[0], [1]], np.uint8)


def votes(*classes: int) -> Block:
    return Block(Space.OPEN, BOTH, Kind.VOTES, (VoteRows(np.array(classes, np.uint8), 3),))


def test_the_class_with_the_most_votes_wins_and_of_several_the_first() -> None:
    found = to_all(
        aggregated(FedCT(), history(SPEC), {"a": votes(2, 1), "b": votes(2, 0), "c": votes(0, 2)}).aggregate()
    )
    assert found.kind is Kind.VOTES
    assert found.array[:].argmax(axis=1).tolist() == [2, 0]
    assert found.array[:].sum(axis=1).tolist() == [1, 1]


def test_a_client_sends_its_likeliest_classes_alone_and_learns_the_majoritys() -> None:
    private = Examples(OPEN, np.array([1, 1]))
    client, learner = recording(SPEC, np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]]), open=OPEN, private=private)
    sent = update(FedCT(), client, BOTH)
    assert [step for step, *_ in learner.asked][:1] == ["fit"]
    assert sent.array[:].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert only(FedCT().forms(SPEC).up).kind is Kind.VOTES  # type: ignore[arg-type,attr-defined]
    receive(FedCT(), client, votes(1, 2), 1)
    step, x, labels = learner.asked[-1]
    assert (step, x.tolist(), labels.tolist()) == ("distill", OPEN.tolist(), [[0, 1, 0], [0, 0, 1]])
