"""What each participant holds of a built-in data set."""

import os
import subprocess
import sys
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from limbeck_common.core.errors import DataError
from limbeck_common.core.spec import DataSpec, Output
from limbeck_common.datasets.dataset import DataSet, Request, Source
from limbeck_common.datasets.examples import Examples, ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.datasets.registry import DATASETS, load_participant, output_of

DIGITS = DataSpec(dataset="digits", parts=4)


def same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    return a is not None and b is not None and np.array_equal(a, b)


def flat(rows: NDArray[Any]) -> list[bytes]:
    return [row.tobytes() for row in rows]


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
    assert set(labels) == set(range(output_of(DIGITS).width))


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
    clients = [load_participant(spec, 0, part) for part in range(3)]
    assert [len(participant.private.y) for participant in clients if participant.private] == [30, 30, 30]
    assert [len(participant.open) for participant in clients if participant.open is not None] == [7, 7, 7]


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
        output_of(DataSpec(dataset="own"))


@pytest.mark.parametrize("labels", [np.zeros(2, np.int64), np.zeros((), np.int64)])
def test_examples_have_a_label_per_row(labels: NDArray[np.int64]) -> None:
    with pytest.raises(DataError, match="as many rows in both"):
        Examples(np.zeros((3, 1, 2, 2), np.uint8), labels)


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
    clients = [load_participant(spec, 0, part, download=False) for part in range(3)]
    assert sum(len(participant.private.y) for participant in clients if participant.private) == 9000
    assert clients[0].open is not None
    assert clients[0].open.shape == (10_000, 1, 28, 28)
    assert clients[0].test is not None
    assert np.array_equal(clients[0].test.y[:5], [7, 2, 1, 0, 4])
    assert len({open_digest(participant.open) for participant in clients if participant.open is not None}) == 1


def test_an_unknown_name_is_told_the_known_ones_and_the_closest() -> None:
    with pytest.raises(DataError) as caught:
        output_of(DataSpec(dataset="minst"))
    assert str(caught.value) == (
        "unknown data set 'minst'; expected digits, mnist, fashion_mnist, cifar10 or own; did you mean 'mnist'?"
    )
    with pytest.raises(DataError, match=r"unknown data set .zebra.*; correct data\.dataset"):
        load_participant(DataSpec(dataset="zebra"), 0, 0)


def test_a_data_set_is_added_by_its_own_declaration_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(request: Request) -> Source:
        x = np.arange(30, dtype=np.float32)[:, None] + request.seed
        return Source(Examples(x, np.arange(30) % 7), Examples(x[:4], np.arange(4)))

    ramp = DataSet("ramp", classes=7, open_rows=6, test_rows=4, contents="a ramp", load=load)
    monkeypatch.setitem(DATASETS, "ramp", ramp)
    spec = DataSpec(dataset="ramp", parts=2, partition="iid")
    assert output_of(spec) == Output(width=7)
    held = [load_participant(spec, 100, part) for part in range(2)]
    assert held[0].open is not None
    assert held[0].open_labels is not None
    assert len(held[0].open) == 6
    assert np.array_equal(held[0].open_labels, (held[0].open[:, 0] - 100) % 7)
    private = [row for each in held if each.private is not None for row in each.private.x[:, 0]]
    assert sorted([*private, *held[0].open[:, 0]]) == list(range(100, 130))


def test_every_built_in_data_set_says_what_it_holds() -> None:
    assert list(DATASETS) == ["digits", "mnist", "fashion_mnist", "cifar10"]
    assert all(name == each.name and each.contents for name, each in DATASETS.items())
    test = load_participant(DIGITS, 0, None).test
    assert test is not None
    assert len(test.y) == DATASETS["digits"].test_rows


def test_clients_are_measured_on_rows_of_their_own_classes_or_on_both() -> None:
    def held(test: Literal["global", "local", "both"], part: int | None) -> ParticipantData:
        scheme = DataSpec(parts=4, partition="shards", test=test)
        return load_participant(scheme, 0, part)

    everyone = held("global", 0).test
    assert everyone is not None
    for part in range(4):
        local, both = held("local", part), held("both", part)
        assert local.private is not None
        assert local.test is not None
        assert both.test is not None
        assert both.local_test is not None
        assert local.local_test is None
        assert set(local.test.y) == set(local.private.y)
        assert np.array_equal(both.local_test.x, local.test.x)
        assert np.array_equal(both.test.x, everyone.x)
    server = held("local", None)
    assert server.test is not None
    assert np.array_equal(server.test.x, everyone.x)
