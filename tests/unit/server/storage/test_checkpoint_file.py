from pathlib import Path

import pytest
from structlog.testing import capture_logs

from limbeck_server.storage import checkpoint_file
from limbeck_server.storage.protocols import Checkpoint

KEPT = Checkpoint(3, "all that was")


def chain_of(number: int) -> str:
    return {3: "ab"}.get(number, "")


def test_a_checkpoint_comes_back_where_the_chain_knows_it(tmp_path: Path) -> None:
    assert checkpoint_file.read(tmp_path, chain_of) is None
    checkpoint_file.write(tmp_path, KEPT, "ab")
    assert checkpoint_file.read(tmp_path, chain_of) == KEPT


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"chain":"","facts":4,"text":""}'])
def test_anything_else_is_said_and_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / checkpoint_file.FILE).write_bytes(content)
    with capture_logs() as logs:
        assert checkpoint_file.read(tmp_path, chain_of) is None
    assert "all facts are replayed" in logs[0]["event"]


def test_another_journals_checkpoint_is_left_out(tmp_path: Path) -> None:
    checkpoint_file.write(tmp_path, KEPT, "cd")
    with capture_logs() as logs:
        assert checkpoint_file.read(tmp_path, chain_of) is None
    assert "belongs to another journal" in logs[0]["event"]
