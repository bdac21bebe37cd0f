"""A checkpoint comes back whole or not at all, and no file is ever lost."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save
from structlog.testing import capture_logs

from limbeck_client.checkpoint import Checkpoint, CheckpointFile
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.messages import Uplink
from limbeck_common.wire.codec import encode_uplink, write_message
from limbeck_common.wire.digest import parts_digest

PARTS = {"labels": soft_labels(Rows(np.array([1, 4])), np.array([[0.5, 0.5], [0.25, 0.75]], np.float32))}
UPLINK = Uplink("f", "a", 3, PARTS, {"loss": 0.5}, parts_digest(PARTS), epoch=2)
PARTICIPANT = {"own.w": np.arange(6, dtype=np.float32).reshape(2, 3), "memory.seen": np.array([7], np.int64)}
OPEN_ROWS = 5


def write(folder: Path, content: bytes) -> None:
    (folder / "state").write_bytes(hashlib.sha256(content).digest() + content)


def set_aside(folder: Path, name: str, why: str, data: bytes) -> None:
    """Require that a load refuses the file, moves it to `name` and says why."""
    with capture_logs() as logs:
        assert CheckpointFile(folder).load("f", OPEN_ROWS) is None
    assert [(log["event"], log["log_level"]) for log in logs] == [("the checkpoint was set aside", "warning")]
    assert why in logs[0]["why"]
    assert logs[0]["now"] == str(folder / name)
    assert (folder / name).read_bytes() == data
    assert not (folder / "state").exists()


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "clients" / "a"
    CheckpointFile(folder).save(Checkpoint(PARTICIPANT, UPLINK))
    found = CheckpointFile(folder).load("f", OPEN_ROWS)
    assert found is not None
    assert {name: value.tolist() for name, value in found.participant.items()} == {
        "own.w": [[0, 1, 2], [3, 4, 5]],
        "memory.seen": [7],
    }
    assert found.participant["own.w"].dtype == np.float32
    assert vars(replace(found.uplink, parts={})) == vars(replace(UPLINK, parts={}))
    assert found.uplink.parts["labels"].array[:].tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert found.uplink.parts["labels"].rows.tolist() == [1, 4]


def test_the_file_is_a_digest_and_safetensors_and_replaced_whole(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    file.save(Checkpoint(PARTICIPANT, UPLINK))
    data = (tmp_path / "state").read_bytes()
    assert data[:32] == hashlib.sha256(data[32:]).digest()
    tensors = load(data[32:])
    assert set(tensors) == {"uplink", "participant.own.w", "participant.memory.seen"}
    assert tensors["uplink"].tobytes() == write_message(*encode_uplink(UPLINK))
    file.save(Checkpoint({}, replace(UPLINK, round=4)))
    found = file.load("f", OPEN_ROWS)
    assert found is not None
    assert (found.participant, found.uplink.round) == ({}, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_arrays_that_are_not_contiguous_are_saved_as_they_read(tmp_path: Path) -> None:
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    CheckpointFile(tmp_path).save(Checkpoint({"w": transposed}, UPLINK))
    found = CheckpointFile(tmp_path).load("f", OPEN_ROWS)
    assert found is not None
    assert found.participant["w"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_where_nothing_was_saved_there_is_nothing_and_nothing_to_say(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert CheckpointFile(tmp_path / "none").load("f", OPEN_ROWS) is None
    assert logs == []


@pytest.mark.parametrize("where", [0, 31, 32, 100, -1])
def test_a_flipped_byte_anywhere_is_noticed(tmp_path: Path, where: int) -> None:
    CheckpointFile(tmp_path).save(Checkpoint(PARTICIPANT, UPLINK))
    data = bytearray((tmp_path / "state").read_bytes())
    data[where] ^= 1
    (tmp_path / "state").write_bytes(data)
    set_aside(tmp_path, "state.damaged.1", "does not have the digest", bytes(data))


@pytest.mark.parametrize("size", [0, 10, 32, 200])
def test_a_file_that_ends_early_is_noticed(tmp_path: Path, size: int) -> None:
    CheckpointFile(tmp_path).save(Checkpoint(PARTICIPANT, UPLINK))
    data = (tmp_path / "state").read_bytes()[:size]
    (tmp_path / "state").write_bytes(data)
    set_aside(tmp_path, "state.damaged.1", "does not have the digest", data)


@pytest.mark.parametrize(
    "content",
    [
        b"no safetensors",
        save({"participant.w": np.ones(2)}),
        save({"uplink": np.frombuffer(b"\0\0\0\1\xff", np.uint8)}),
        save({"uplink": np.frombuffer(write_message(*encode_uplink(replace(UPLINK, digest=b"?"))), np.uint8)}),
    ],
)
def test_what_is_no_checkpoint_is_set_aside(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    set_aside(tmp_path, "state.foreign.1", "it is not a client's checkpoint: ", (tmp_path / "state").read_bytes())


def test_rows_beyond_the_open_set_are_no_checkpoint_of_this_federation(tmp_path: Path) -> None:
    CheckpointFile(tmp_path).save(Checkpoint({}, UPLINK))
    assert CheckpointFile(tmp_path).load("f", 4) is None
    assert [path.name for path in tmp_path.iterdir()] == ["state.foreign.1"]


def test_files_set_aside_are_numbered_and_none_is_overwritten(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    for number in (1, 2, 3):
        (tmp_path / "state").write_bytes(b"torn %d" % number)
        assert file.load("f", OPEN_ROWS) is None
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        f"state.damaged.{number}": b"torn %d" % number for number in (1, 2, 3)
    }
    write(tmp_path, b"no safetensors")
    assert file.load("f", OPEN_ROWS) is None
    assert (tmp_path / "state.foreign.1").exists()


def test_the_checkpoint_of_another_federation_is_set_aside_under_its_name(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path)
    for expected in ("state.g-1_X.1", "state.g-1_X.2"):
        file.save(Checkpoint(PARTICIPANT, replace(UPLINK, federation_id="g-1_X")))
        data = (tmp_path / "state").read_bytes()
        set_aside(tmp_path, expected, "it belongs to federation g-1_X", data)


def test_a_servers_name_cannot_lead_out_of_the_folder_or_beyond_what_a_name_holds(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "deep")
    file.save(Checkpoint({}, replace(UPLINK, federation_id="../../x y")))
    assert file.load("f", OPEN_ROWS) is None
    file.save(Checkpoint({}, replace(UPLINK, federation_id="n" * 300)))
    assert file.load("f", OPEN_ROWS) is None
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [
        "state.______x_y.1",
        f"state.{'n' * 64}.1",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
