"""A form makes blocks that it describes, and knows how large they can become."""

import numpy as np
import pytest

from limbeck_common.core.arrays.encodings import FLOAT16, FLOAT32, OneClass, Quantised, Top
from limbeck_common.core.blocks import Rows, Space
from limbeck_common.core.form import Form, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.spec import Output

LABELS = Output(width=4)


def test_labels_are_as_wide_as_the_output_and_of_its_kind() -> None:
    form = Form.labels(LABELS, FLOAT16, partial=True)
    assert (form.kind, form.space, form.row_shape, form.encodings) == (Kind.PROBABILITIES, Space.OPEN, (4,), (FLOAT16,))
    assert form.partial
    regression = Form.labels(Output(task="regression", width=1))
    assert (regression.kind, regression.row_shape, regression.encodings) == (Kind.VALUES, (1,), (FLOAT32,))
    assert Form.labels(Output(task="multilabel", width=3)).kind is Kind.MEMBERSHIPS


def test_no_more_of_the_largest_values_are_asked_for_than_there_are() -> None:
    assert Form.labels(LABELS, Top(64)).encodings == (Top(4),)


def test_a_block_is_encoded_by_the_first_encoding_and_keyed_from_0_without_rows() -> None:
    form = Form(Kind.VOTES, Space.CLASSES, (3,), (OneClass(), FLOAT32))
    block = form.block(np.eye(3, dtype=np.float32), weight=np.array([1, 2, 3]))
    assert block.rows.tolist() == [0, 1, 2]
    assert block.outline.encoding == OneClass()
    assert block.array[:].tolist() == np.eye(3).tolist()
    encoded = Quantised(1).encode(np.eye(3, dtype=np.float32), Kind.VOTES)
    assert form.block(encoded, Rows(np.array([4, 5, 6]))).array is encoded


@pytest.mark.parametrize(
    ("form", "most"),
    [
        (Form.labels(LABELS), 100 * 4 * 4),
        (Form.labels(LABELS, Quantised(3), FLOAT16), 100 * 4 * 2),
        (Form(Kind.FEATURES, Space.CLASSES, (64,)), 10 * 64 * 4),
        (Form(Kind.COUNTS, Space.CLASSES), 10 * 4),
        (Form(Kind.SAMPLES, Space.MADE, (3, 2, 2), most_rows=7), 7 * 3 * 2 * 2 * 4),
        (Form.model(), 0),
    ],
)
def test_the_size_of_a_part_is_known_before_it_comes(form: Form, most: int) -> None:
    assert form.most_bytes(open_rows=100, width=10) == most


def test_a_model_is_weighed_as_a_whole() -> None:
    assert (Form.model("cnn").weights, Form.model("cnn").architectures) == (Weights.BLOCK, ("cnn",))
