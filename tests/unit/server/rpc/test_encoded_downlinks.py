from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.messages import Downlink
from limbeck_common.wire.codec import encode_downlink
from limbeck_server.rpc import encoded_downlinks
from limbeck_server.rpc.encoded_downlinks import EncodedDownlinks

PARTS = {"labels": soft_labels(Rows(np.arange(2)), np.array([[1, 0], [0, 1]], np.float32))}
FIRST = Downlink(federation_id="f", round=1, aggregate=PARTS, plan={}, deadline_seconds=9.0)


def test_one_downlink_is_encoded_once_and_has_its_own_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []

    def counting(downlink: Downlink) -> tuple[Any, Any]:
        encoded.append(downlink)
        return encode_downlink(downlink)

    monkeypatch.setattr(encoded_downlinks, "encode_downlink", counting)
    downlinks = EncodedDownlinks()
    head, chunks = downlinks.encode(FIRST)
    assert (head.deadline_seconds, b"".join(chunks)) == (9.0, PARTS["labels"].array.tobytes())  # type: ignore[union-attr]
    head, chunks = downlinks.encode(replace(FIRST, deadline_seconds=4.0))
    assert (head.deadline_seconds, len(b"".join(chunks))) == (4.0, 16)
    assert len(encoded) == 1


def test_another_aggregate_or_another_round_is_encoded_anew() -> None:
    downlinks = EncodedDownlinks()
    downlinks.encode(FIRST)
    other = {"labels": soft_labels(Rows(np.arange(2)), np.array([[0, 1], [0, 1]], np.float32))}
    _, chunks = downlinks.encode(replace(FIRST, aggregate=other))
    assert b"".join(chunks) == other["labels"].array.tobytes()  # type: ignore[union-attr]
    head, _ = downlinks.encode(replace(FIRST, round=2))
    assert head.round == 2


def test_a_large_one_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_downlinks, "INLINE_BYTES", 1)
    downlinks = EncodedDownlinks()
    head, chunks = downlinks.encode(FIRST)
    assert (head.payload_size, len(b"".join(chunks))) == (16, 16)
    assert downlinks.kept == 0
