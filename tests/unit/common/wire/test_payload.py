"""A payload's place, memory or file, and the size of one message."""

from pathlib import Path

import numpy as np

from limbeck_common.wire.payload import CHUNK_BYTES, HEAD_BYTES, Payload, message_bytes


def test_a_message_has_room_for_a_bitmap_of_all_open_rows() -> None:
    assert message_bytes(0) == HEAD_BYTES + CHUNK_BYTES
    assert message_bytes(10_000_000) == HEAD_BYTES + CHUNK_BYTES + 1_250_000


def test_a_large_payload_goes_to_the_file_that_is_offered_and_stays_in_memory_without_one(tmp_path: Path) -> None:
    content = bytes(range(200))
    asked: list[int] = []

    def new_file(size: int) -> Path:
        asked.append(size)
        return tmp_path / "payload"

    for offer, inline, filed in ((None, 100, False), (new_file, 200, False), (new_file, 199, True)):
        payload = Payload(200, 1000, offer, inline)
        payload.add(content)
        payload.close()
        assert (payload.path is not None) == filed
        assert payload.tensor(10, np.dtype("|u1"), (190,))[:].tolist() == list(range(10, 200))
    assert asked == [200]
    payload.discard()
    assert not (tmp_path / "payload").exists()


def test_more_than_a_megabyte_goes_to_the_file_that_is_offered(tmp_path: Path) -> None:
    for size, filed in ((1 << 20, False), ((1 << 20) + 1, True)):
        payload = Payload(size, size, lambda _: tmp_path / "payload")
        assert (payload.path is not None) == filed
        payload.discard()


def test_a_payload_whose_file_is_gone_already_is_discarded_all_the_same(tmp_path: Path) -> None:
    payload = Payload(2, 2, lambda _: tmp_path / "payload", inline=1)
    payload.discard()
    payload.discard()
    assert not (tmp_path / "payload").exists()
