import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck_common.core.errors import DataError
from limbeck_common.core.spec import DataSpec
from limbeck_common.datasets.partitions import Indices, alike, partition, smallest

seeds = st.integers(0, 2**63 - 1)
schemes = st.builds(
    DataSpec,
    partition=st.sampled_from(["iid", "dirichlet", "dirichlet_equal", "shards"]),
    alpha=st.floats(0.01, 100),
    classes_per_part=st.integers(1, 12),
)


def even(classes: int, each: int) -> Indices:
    """Labels [classes * each], mixed, as many of each class."""
    return np.tile(np.arange(classes), each)


def classes_in(labels: Indices, parts: list[Indices]) -> list[int]:
    return [len(np.unique(labels[rows])) for rows in parts]


@given(st.lists(st.integers(-3, 6), max_size=300), st.integers(1, 12), seeds, schemes)
@settings(deadline=None, max_examples=200)
def test_every_row_goes_to_one_part_and_no_part_is_empty(
    labels: list[int], parts: int, seed: int, scheme: DataSpec
) -> None:
    y = np.array(labels, dtype=np.int64)
    try:
        found = partition(y, parts, seed, scheme)
    except DataError:
        assert len(y) < parts or scheme.partition != "iid"
        return
    assert len(found) == parts
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(len(y)))
    for rows in found:
        assert rows.dtype == np.int64
        assert len(rows) > 0
        assert np.all(np.diff(rows) > 0)


@given(st.integers(1, 8), seeds, schemes.filter(lambda scheme: scheme.partition != "dirichlet" or scheme.alpha > 1))
@settings(deadline=None)
def test_the_same_seed_gives_the_same_parts_and_the_global_generator_is_left_alone(
    parts: int, seed: int, scheme: DataSpec
) -> None:
    y = even(10, 30)
    before = np.random.get_state(legacy=False)  # noqa: NPY002 - the generator that must not be touched
    first, second = partition(y, parts, seed, scheme), partition(y, parts, seed, scheme)
    after = np.random.get_state(legacy=False)  # noqa: NPY002 - as above
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert str(before) == str(after)


@pytest.mark.parametrize("name", ["iid", "dirichlet", "dirichlet_equal", "shards"])
def test_another_seed_gives_other_parts(name: str) -> None:
    scheme = DataSpec.model_validate({"partition": name})
    first, second = (partition(even(10, 50), 4, seed, scheme) for seed in (1, 2))
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@given(st.integers(1, 20), st.integers(20, 200), seeds)
@settings(deadline=None)
def test_iid_parts_differ_by_one_row_at_most(parts: int, rows: int, seed: int) -> None:
    sizes = [len(part) for part in partition(np.zeros(rows, np.int64), parts, seed, DataSpec(partition="iid"))]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 10), seeds)
@settings(deadline=None)
def test_dirichlet_leaves_no_part_below_the_least(parts: int, seed: int) -> None:
    found = partition(even(10, 60), parts, seed, DataSpec(partition="dirichlet", alpha=0.5))
    assert min(len(rows) for rows in found) >= smallest(600, parts) == 10


def test_smallest_is_ten_rows_or_half_an_even_share_but_never_none() -> None:
    assert [smallest(rows, 5) for rows in (5, 9, 10, 49, 100, 10_000)] == [1, 1, 1, 4, 10, 10]


def test_dirichlet_shares_even_out_as_alpha_grows() -> None:
    y = even(10, 500)

    def spread(alpha: float) -> float:
        """Return the mean share that a part's largest class has of the part; 0.1 is even."""
        parts = partition(y, 5, 7, DataSpec(partition="dirichlet", alpha=alpha))
        return float(np.mean([np.bincount(y[rows]).max() / len(rows) for rows in parts]))

    assert spread(0.1) > spread(1) > spread(1000) == pytest.approx(0.1, abs=0.02)


def test_a_hopeless_alpha_is_refused_with_the_remedy() -> None:
    with pytest.raises(DataError, match=r"fewer than 10 rows.*raise alpha"):
        partition(even(10, 60), 10, 0, DataSpec(partition="dirichlet", alpha=1e-4))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 10), seeds)
@settings(deadline=None)
def test_shards_give_each_part_exactly_its_classes(classes: int, parts: int, per_part: int, seed: int) -> None:
    y = even(classes, 12)  # a row of each class for every part
    found = partition(y, parts, seed, DataSpec(partition="shards", classes_per_part=per_part))
    enough = -(-classes // parts)  # with fewer, a class would have no holder
    assert classes_in(y, found) == [min(classes, max(per_part, enough))] * parts


def test_shards_of_even_classes_are_nearly_even() -> None:
    found = partition(even(10, 100), 20, 3, DataSpec(partition="shards", classes_per_part=2))
    assert {len(rows) for rows in found} == {50}  # 40 places for 10 classes: four holders each, 25 rows to each


def test_shards_find_room_for_rare_classes() -> None:
    y = np.array([0] * 99 + [1], dtype=np.int64)
    found = partition(y, 100, 0, DataSpec(partition="shards", classes_per_part=1))
    assert [len(rows) for rows in found] == [1] * 100


def test_shards_that_leave_a_part_empty_are_refused() -> None:
    with pytest.raises(DataError, match=r"leave 2 of 4 parts empty.*fewer classes_per_part"):
        partition(np.array([0, 0, 1, 1]), 4, 0, DataSpec(partition="shards", classes_per_part=2))


@pytest.mark.parametrize("parts", [0, 4])
def test_more_parts_than_rows_and_none_are_refused(parts: int) -> None:
    with pytest.raises(DataError, match=f"3 private rows cannot be shared out to {parts} parts"):
        partition(np.zeros(3, np.int64), parts, 0, DataSpec(partition="iid"))


@given(st.integers(1, 12), seeds)
def test_equal_dirichlet_parts_are_of_one_size(parts: int, seed: int) -> None:
    found = partition(even(10, 30), parts, seed, DataSpec(partition="dirichlet_equal", alpha=0.3))
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(found)) == list(range(300))


@given(
    labels=st.lists(st.integers(0, 4), min_size=20, max_size=60),
    tested=st.lists(st.integers(0, 4), min_size=5, max_size=40),
    parts=st.integers(1, 5),
)
def test_test_rows_are_shared_out_once_and_no_part_is_empty(labels: list[int], tested: list[int], parts: int) -> None:
    private, test = np.array(labels), np.array([*tested, *range(5)])
    shares = partition(private, parts, 0, DataSpec(partition="iid"))
    found = alike(private, shares, test)
    assert all(len(rows) for rows in found)
    again = alike(private, shares, test)
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))
    if all(len(rows) > 1 for rows in found):
        every = np.concatenate(found)
        assert sorted(every) == sorted(np.flatnonzero(np.isin(test, private)))


def test_a_parts_test_rows_have_the_classes_of_its_private_rows() -> None:
    private, test = np.repeat([0, 1], 100), np.repeat([0, 1], 50)
    shares = [np.arange(80), np.arange(80, 200)]  # 80 of class 0; 20 of class 0 and all of class 1
    first, second = (test[rows] for rows in alike(private, shares, test))
    assert np.bincount(first, minlength=2).tolist() == [40, 0]
    assert np.bincount(second, minlength=2).tolist() == [10, 50]
