"""Files of torchvision's data sets: read, downloaded into place, and refused in one line where they are no good."""

import pickle
import struct
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError
from limbeck_common.core.spec import DataSpec
from limbeck_common.datasets.registry import load_participant


def same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    return a is not None and b is not None and np.array_equal(a, b)


def write_idx(folder: Path, train: int = 60, test: int = 10) -> None:
    """Write a small data set as Fashion-MNIST's: image i is filled with i, and its label is i % 10."""
    folder.mkdir(parents=True)
    for name, rows in (("train", train), ("t10k", test)):
        images = np.repeat(np.arange(rows, dtype=np.uint8), 28 * 28)
        labels = np.arange(rows, dtype=np.uint8) % 10
        header = struct.pack(">4i", 0x803, rows, 28, 28)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, rows) + labels.tobytes())


FASHION = DataSpec(dataset="fashion_mnist", parts=2, open=20, partition="iid")


def test_fashion_mnist_is_read_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "FashionMNIST" / "raw")
    monkeypatch.setenv("LIMBECK_DATA", str(tmp_path))
    clients = [load_participant(FASHION, 1, part, download=False) for part in range(2)]
    ids = []
    for participant in clients:
        assert participant.private is not None
        assert participant.private.x.shape == (20, 1, 28, 28)
        assert np.array_equal(participant.private.x[:, 0, 0, 0] % 10, participant.private.y)
        ids += list(participant.private.x[:, 0, 5, 5])
    assert clients[0].open is not None
    assert sorted([*ids, *clients[0].open[:, 0, 0, 0]]) == list(range(60))
    assert clients[0].test is not None
    assert np.array_equal(clients[0].test.y, np.arange(10))


def test_cifar_brings_its_open_rows_from_cifar_100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def batch(folder: str, name: str, labels: str, ids: range) -> None:
        pixels = np.zeros((len(ids), 3, 32, 32), dtype=np.uint8)
        pixels[:, 0, 2, 1] = ids  # red; third row, second column
        entry = {"data": pixels.reshape(len(ids), -1), labels: [row % 10 for row in ids]}
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(pickle.dumps(entry))

    for number in range(5):
        batch("cifar-10-batches-py", f"data_batch_{number + 1}", "labels", range(number * 4, number * 4 + 4))
    batch("cifar-10-batches-py", "test_batch", "labels", range(20, 30))
    batch("cifar-100-python", "train", "fine_labels", range(100, 130))
    batch("cifar-100-python", "test", "fine_labels", range(1))
    batch("cifar-10-batches-py", "batches.meta", "label_names", range(1))
    batch("cifar-100-python", "meta", "fine_label_names", range(1))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)  # these have other MD5s

    spec = DataSpec(dataset="cifar10", parts=1, open=30)
    participant = load_participant(spec, 0, 0, tmp_path, download=False)
    assert participant.private is not None
    assert participant.open is not None
    assert participant.test is not None
    assert [rows.shape[1:] for rows in (participant.private.x, participant.open, participant.test.x)] == [
        (3, 32, 32)
    ] * 3
    assert sorted(participant.private.x[:, 0, 2, 1]) == list(range(20))
    assert np.array_equal(participant.private.x[:, 0, 2, 1] % 10, participant.private.y)
    assert sorted(participant.open[:, 0, 2, 1]) == list(range(100, 130))
    with pytest.raises(DataError, match="at most 30 open and 20 private"):
        load_participant(spec.model_copy(update={"open": 31}), 0, 0, tmp_path, download=False)


def test_missing_files_are_fetched_and_moved_into_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(self: Any) -> None:
        write_idx(Path(self.raw_folder))
        (Path(self.raw_folder) / "train-images-idx3-ubyte.gz").write_bytes(b"an reader")

    monkeypatch.setattr("torchvision.datasets.FashionMNIST.download", download)
    home = tmp_path / "new" / "folder"
    fetched = load_participant(FASHION, 1, 0, home)
    assert same(load_participant(FASHION, 1, 0, home, download=False).open, fetched.open)
    assert [folder.name for folder in home.iterdir()] == ["FashionMNIST"]
    assert len(list((home / "FashionMNIST" / "raw").iterdir())) == 4


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_a_closed_network_is_one_line_with_the_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", closed)
    with pytest.raises(DataError) as caught:
        load_participant(DataSpec.model_validate({"dataset": name}), 0, None, tmp_path)
    said = str(caught.value)
    assert "\n" not in said
    for word in ("Name or service not known", str(tmp_path), "--data-dir", "LIMBECK_DATA"):
        assert word in said
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_without_leave_to_download_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("urllib.request.urlopen")
    with pytest.raises(DataError) as caught:
        load_participant(FASHION, 0, None, tmp_path / "none", download=False)
    assert "Dataset not found; expected" in str(caught.value)
    assert "download=True" not in str(caught.value)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
@pytest.mark.parametrize("length", [0, 3, 40])
def test_a_damaged_file_is_refused_and_left_alone(name: str, length: int, tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    write_idx(raw)
    damaged = (raw / name).read_bytes()[:length]
    (raw / name).write_bytes(damaged)
    with pytest.raises(DataError, match="FashionMNIST cannot be read"):
        load_participant(FASHION, 0, None, tmp_path)
    assert (raw / name).read_bytes() == damaged
