import hashlib
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import limbeck_common.datasets.open_digest as digesting
from limbeck_common.core.errors import DataError
from limbeck_common.core.spec import DataSpec
from limbeck_common.datasets.examples import Examples
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.datasets.registry import classes_of, load_participant

DIGITS = DataSpec(dataset="digits", parts=4)


def same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    return a is not None and b is not None and np.array_equal(a, b)


def flat(rows: NDArray[Any]) -> list[bytes]:
    return [row.tobytes() for row in rows]


# --- the open set's name


def test_the_digest_is_the_one_that_any_language_can_compute() -> None:
    rows = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], dtype=np.uint8)
    assert open_digest(rows) == hashlib.sha256(b"limbeck-open-v1 |u1 2x2x2\n" + bytes(range(1, 9))).digest()
    line = np.array([1.0, -2.5], dtype=np.float32)
    assert open_digest(line) == hashlib.sha256(b"limbeck-open-v1 <f4 2\n" + struct.pack("<2f", 1.0, -2.5)).digest()


@given(
    arrays.arrays(
        dtype=arrays.integer_dtypes() | arrays.floating_dtypes(sizes=(16, 32, 64)),
        shape=arrays.array_shapes(min_side=0, max_side=5),
    )
)
@settings(deadline=None)
def test_strides_byte_order_and_slices_do_not_change_the_digest(rows: NDArray[Any]) -> None:
    name = open_digest(rows)
    assert open_digest(np.asfortranarray(rows)) == name
    assert open_digest(np.repeat(rows, 2, axis=-1)[..., ::2]) == name
    assert open_digest(rows.astype(rows.dtype.newbyteorder(">"))) == name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digesting, "_SLICE_BYTES", 3)
        assert open_digest(rows) == name


def test_order_shape_and_element_type_change_the_digest() -> None:
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    others: list[NDArray[Any]] = [rows[::-1], rows.reshape(4, 3), rows.view(np.int8), rows.astype(np.float32), rows[:2]]
    assert len({open_digest(other) for other in [rows, *others]}) == 6


def test_a_memory_map_has_the_digest_of_its_array(tmp_path: Path) -> None:
    rows = np.arange(600, dtype=np.float32).reshape(100, 6)
    np.save(tmp_path / "open.npy", rows)
    assert open_digest(np.load(tmp_path / "open.npy", mmap_mode="r")) == open_digest(rows)


@pytest.mark.parametrize("rows", [np.array(["a"]), np.array([None]), np.array([1j]), np.array(1.0)])
def test_what_is_no_array_of_numbers_has_no_digest(rows: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="open data cannot be"):
        open_digest(rows)


# --- what each participant holds


def test_clients_and_server_share_out_the_digits_without_overlap() -> None:
    server = load_participant(DIGITS, 5, None)
    clients = [load_participant(DIGITS, 5, part) for part in range(4)]
    assert server.private is None
    assert server.open is not None
    assert server.open.shape == (500, 1, 8, 8)
    assert server.test is not None
    assert server.test.x.shape == (360, 1, 8, 8)
    held = [*flat(server.open), *flat(server.test.x)]
    labels = list(server.test.y)
    for client in clients:
        assert same(client.open, server.open)
        assert client.test is not None
        assert same(client.test.x, server.test.x)
        assert same(client.test.y, server.test.y)
        assert client.private is not None
        assert client.private.x.dtype == np.uint8
        assert client.private.y.dtype == np.int64
        held += flat(client.private.x)
        labels += list(client.private.y)
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to import

    pixels, _ = load_digits(return_X_y=True)
    assert sorted(held) == sorted(flat((pixels * 15).astype(np.uint8)))
    assert set(labels) == set(range(classes_of(DIGITS)))


def test_digits_span_the_range_of_a_byte_and_keep_their_labels() -> None:
    whole = load_participant(DataSpec(dataset="digits", parts=1, open=1), 0, 0).private
    assert whole is not None
    assert (whole.x.min(), whole.x.max()) == (0, 240)
    centres = np.stack([whole.x[whole.y == label].mean(axis=0).ravel() for label in range(10)])
    distance = ((whole.x.reshape(-1, 1, 64) - centres) ** 2).sum(axis=2)  # [rows, classes]
    assert np.mean(distance.argmin(axis=1) == whole.y) > 0.85  # no better than 0.1 if rows and labels had parted


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again, other = (load_participant(DIGITS, seed, 1) for seed in (5, 5, 6))
    assert same(first.open, again.open)
    assert first.private is not None
    assert again.private is not None
    assert same(first.private.x, again.private.x)
    assert first.open is not None
    assert other.open is not None
    assert open_digest(first.open) != open_digest(other.open)


def test_the_open_rows_of_a_seed_never_change_between_releases() -> None:
    server = load_participant(DIGITS, 5, None)
    assert server.open is not None
    assert open_digest(server.open).hex() == "498fa39196b1d1cd37cd7d72006de6186674410789741c499c0ebd76631e1cc6"


def test_private_rows_can_be_fewer_than_are_left() -> None:
    spec = DataSpec(dataset="digits", parts=3, private=90, open=7, partition="iid")
    parties = [load_participant(spec, 0, part) for part in range(3)]
    assert [len(participant.private.y) for participant in parties if participant.private] == [30, 30, 30]
    assert [len(participant.open) for participant in parties if participant.open is not None] == [7, 7, 7]


@pytest.mark.parametrize(
    ("wish", "asked"),
    [
        ({"open": 1000, "private": 438}, "1000 open and 438 private"),
        ({"open": 1437}, "1437 open and some private"),
        ({"open": 2000}, "2000 open and some private"),
    ],
)
def test_more_rows_than_there_are_is_refused_with_the_figures(wish: dict[str, int], asked: str) -> None:
    with pytest.raises(DataError, match=f"too few rows for {asked}; expected at most 1437 in all"):
        load_participant(DIGITS.model_copy(update=wish), 0, None)


@pytest.mark.parametrize("part", [-1, 4])
def test_a_part_out_of_range_is_refused(part: int) -> None:
    with pytest.raises(DataError, match=f"no part {part}; expected 0 to 3"):
        load_participant(DIGITS, 0, part)


def test_own_data_is_not_built_in() -> None:
    with pytest.raises(DataError, match=r"--data package\.module:callable"):
        load_participant(DataSpec(dataset="own"), 0, 0)
    with pytest.raises(DataError, match="user's own"):
        classes_of(DataSpec(dataset="own"))


@pytest.mark.parametrize("labels", [np.zeros(2, np.int64), np.zeros((3, 1), np.int64)])
def test_examples_have_one_label_a_row(labels: NDArray[np.int64]) -> None:
    with pytest.raises(DataError, match="one label per row"):
        Examples(np.zeros((3, 1, 2, 2), np.uint8), labels)


# --- files


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
    parties = [load_participant(FASHION, 1, part, download=False) for part in range(2)]
    ids = []
    for participant in parties:
        assert participant.private is not None
        assert participant.private.x.shape == (20, 1, 28, 28)
        assert np.array_equal(participant.private.x[:, 0, 0, 0] % 10, participant.private.y)
        ids += list(participant.private.x[:, 0, 5, 5])
    assert parties[0].open is not None
    assert sorted([*ids, *parties[0].open[:, 0, 0, 0]]) == list(range(60))
    assert parties[0].test is not None
    assert np.array_equal(parties[0].test.y, np.arange(10))


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


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("digits", "sklearn", "sklearn"), ("mnist", "torchvision", "torch")]
)
def test_a_missing_library_is_named_with_its_extra(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.datasets", None)
    with pytest.raises(DataError, match=rf"{name} cannot be read.*pip install 'limbeck\[{extra}\]'"):
        load_participant(DataSpec.model_validate({"dataset": name}), 0, None)


def test_the_module_needs_neither_torch_nor_scikit_learn() -> None:
    program = (
        "import sys, limbeck_common.datasets.registry; print({'torch', 'torchvision', 'sklearn'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"


@pytest.mark.skipif("LIMBECK_DATA" not in os.environ, reason="LIMBECK_DATA names no folder that holds MNIST")
def test_mnist_as_published() -> None:
    spec = DataSpec(dataset="mnist", parts=3, private=9000)
    parties = [load_participant(spec, 0, part, download=False) for part in range(3)]
    assert sum(len(participant.private.y) for participant in parties if participant.private) == 9000
    assert parties[0].open is not None
    assert parties[0].open.shape == (10_000, 1, 28, 28)
    assert parties[0].test is not None
    assert np.array_equal(parties[0].test.y[:5], [7, 2, 1, 0, 4])
    assert len({open_digest(participant.open) for participant in parties if participant.open is not None}) == 1
