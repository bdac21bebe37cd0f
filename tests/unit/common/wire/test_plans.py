"""What a round asks for comes out of a downlink as it went in; a plan that contradicts itself is refused."""

import numpy as np
import pytest

from limbeck_common.core.arrays.encodings import FLOAT16, FLOAT32, OneClass, Quantised, Top
from limbeck_common.core.blocks import NO_ROWS, Rows, Space
from limbeck_common.core.errors import KeysError, RefusalError, ShapeError
from limbeck_common.core.form import Ask, Form, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.seeds import Sample
from limbeck_common.wire.plans import decode_plan, encode_plan
from limbeck_common.wire.v1 import block_pb2, federation_pb2

ENCODINGS = (FLOAT32, FLOAT16, Quantised(3), OneClass(), Top(2))
PLAN = {
    "counts": Ask(Form(Kind.COUNTS, Space.CLASSES), Rows(np.arange(3))),
    "labels": Ask(Form(Kind.PROBABILITIES, Space.OPEN, (3,), ENCODINGS, partial=True), Rows.drawn(Sample(3, 5, 20))),
    "means": Ask(Form(Kind.FEATURES, Space.CLASSES, (8, 2), weights=Weights.KEY), Rows(np.array([0, 2]))),
    "model": Ask(Form.model(), NO_ROWS, {"cnn": {"w": (2, 3), "b": ()}, "mlp": {}}),
}


def sent() -> federation_pb2.Downlink:
    head = federation_pb2.Downlink()
    encode_plan(PLAN, head.plan)
    return federation_pb2.Downlink.FromString(head.SerializeToString())


def test_every_part_comes_back_with_its_form_its_rows_and_its_models() -> None:
    back = decode_plan(sent().plan, open_rows=20, width=3)
    assert back.keys() == PLAN.keys()
    for part, ask in PLAN.items():
        assert back[part].form == ask.form
        assert back[part].rows.indices.tolist() == ask.rows.indices.tolist()
        assert back[part].models == ask.models
    assert back["labels"].rows.sample == PLAN["labels"].rows.sample


def spoiled(part: str) -> tuple[federation_pb2.Downlink, block_pb2.Ask]:
    head = sent()
    (ask,) = (each for each in head.plan if each.name == part)
    return head, ask


def test_rows_and_classes_beyond_the_federations_are_refused() -> None:
    for bounds in ((19, 3), (20, 2)):
        with pytest.raises(KeysError):
            decode_plan(sent().plan, *bounds)


def test_a_plan_that_contradicts_itself_is_refused() -> None:
    head, ask = spoiled("labels")
    del ask.encodings[:]
    with pytest.raises(ShapeError, match="part 'labels' has no encoding"):
        decode_plan(head.plan, 20, 3)
    head, ask = spoiled("labels")
    ask.kind = 99  # type: ignore[assignment]
    with pytest.raises(ShapeError, match="part 'labels' is of unknown kind 99"):
        decode_plan(head.plan, 20, 3)
    head, ask = spoiled("labels")
    ask.ClearField("open_indices")
    with pytest.raises(KeysError, match="part 'labels' has no keys"):
        decode_plan(head.plan, 20, 3)
    head, ask = spoiled("means")
    ask.encodings[0].one_class = True
    with pytest.raises(RefusalError, match=r"features of shape \[8, 2\] as one_class"):
        decode_plan(head.plan, 20, 3)
