"""Requests and answers come out of a frame as they went in."""

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from limbeck_common.core.spec import Output, Spec
from limbeck_common.runtime.requests import (
    ANSWERS,
    LENGTHS,
    REQUESTS,
    Answer,
    Contributed,
    Failed,
    LocalRound,
    Measured,
    Open,
    Opened,
    Refine,
    Refined,
    Request,
    Save,
    Saved,
    Setup,
    Shaped,
    Shapes,
    TrainAlone,
    pack,
)

SPEC = Spec(output=Output(width=3), sample_shape=(6,), sample_dtype="<f4", open_rows=60, input_std=(0.1,))
SETUP = Setup(participant="a", spec=SPEC, model="mlp", data_dir=Path("data"), part=2)


def unpacked(frame: bytes) -> tuple[bytes, bytes]:
    length, size = LENGTHS.unpack_from(frame)
    content, body = frame[LENGTHS.size : LENGTHS.size + length], frame[LENGTHS.size + length :]
    assert len(body) == size
    return content, body


@pytest.mark.parametrize(
    "request_",
    [
        Open(setup=SETUP),
        LocalRound(participant="a"),
        Refine(participant="server", round=2, uplinks=Path("somewhere"), moves={"a": "wide"}),
        Shapes(spec=SPEC, model="cnn"),
        TrainAlone(setup=SETUP),
        Save(participant="a", folder=Path("models")),
    ],
)
def test_a_request_comes_out_as_it_went_in(request_: Request) -> None:
    content, body = unpacked(pack(request_, b"body"))
    assert (REQUESTS.validate_json(content), body) == (request_, b"body")


@pytest.mark.parametrize(
    "answer",
    [
        Opened(open_digest=bytes(range(32))),
        Contributed(metrics={"loss": 0.1 + 0.2, "worst": math.inf}),
        Refined(moves={}),
        Shaped(shapes={"weight": (3, 2), "bias": (2,)}),
        Measured(metrics={}),
        Saved(),
        Failed(error="no such model"),
    ],
)
def test_an_answer_comes_out_as_it_went_in(answer: Answer) -> None:
    content, body = unpacked(pack(answer))
    assert (ANSWERS.validate_json(content), body) == (answer, b"")


def test_a_metric_that_is_not_a_number_stays_one() -> None:
    content, _ = unpacked(pack(Measured(metrics={"loss": math.nan})))
    answer = ANSWERS.validate_json(content)
    assert isinstance(answer, Measured)
    assert math.isnan(answer.metrics["loss"])


@pytest.mark.parametrize("wrong", [b'{"do": "dance"}', b'{"do": "save", "participant": "a"}', b"{}"])
def test_what_is_no_request_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValidationError):
        REQUESTS.validate_json(wrong)
