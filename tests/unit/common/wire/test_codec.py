"""Heads and payloads of downlinks: what is said of an aggregate must hold of it."""

import numpy as np
import pytest

from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import StreamError
from limbeck_common.core.messages import Downlink
from limbeck_common.wire.codec import decode_downlink, encode_downlink
from limbeck_common.wire.payload import Payload, chunks
from limbeck_common.wire.v1 import federation_pb2 as pb

LABELS = soft_labels(Rows(np.array([1, 3])), np.float32([[0.5, 0.5], [0.25, 0.75]]))


def sent(downlink: Downlink) -> tuple[pb.Downlink, Payload]:
    head, tensors = encode_downlink(downlink)
    payload = Payload(head.payload_size, 1 << 20)
    for part in chunks(tensors):
        payload.add(part)
    payload.close()
    return head, payload


def test_an_aggregate_comes_back_with_its_digest_checked() -> None:
    back = decode_downlink(*sent(Downlink("f", 3, {"labels": LABELS})), 10, 2)
    assert back.aggregate is not None
    assert np.array_equal(back.aggregate["labels"].array[:], LABELS.array[:])
    assert (back.round, back.closing) == (3, True)


def test_another_digest_than_the_aggregates_is_refused() -> None:
    head, payload = sent(Downlink("f", 3, {"labels": LABELS}))
    head.aggregate.digest = bytes(32)
    with pytest.raises(StreamError, match="the aggregate does not have the digest that it claims; pull again"):
        decode_downlink(head, payload, 10, 2)


def test_without_an_aggregate_there_is_no_digest_to_check() -> None:
    head, payload = sent(Downlink("f", 1, plan={}))
    assert not head.HasField("aggregate")
    back = decode_downlink(head, payload, 10, 2)
    assert back.aggregate is None
    assert back.plan == {}
