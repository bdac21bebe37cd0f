"""Numbers that every version, machine and language must draw alike."""

import itertools

import numpy as np
import pytest

from limbeck_common.core.seeds import Sample, choose, derive, splitmix64

REFERENCE = [  # of the generator's authors, started at 1234567
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def plain_splitmix64(seed: int, count: int) -> list[int]:
    """The generator as it is published, a number at a time."""
    outputs, state, mask = [], seed, 2**64 - 1
    for _ in range(count):
        state = z = (state + 0x9E3779B97F4A7C15) & mask
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        outputs.append(z ^ (z >> 31))
    return outputs


def test_splitmix64_gives_the_reference_numbers() -> None:
    assert splitmix64(1234567, 5).tolist() == REFERENCE


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_splitmix64_wraps_around_as_the_plain_one_does(seed: int) -> None:
    assert splitmix64(seed, 100).tolist() == plain_splitmix64(seed, 100)


def test_seeds_are_derived_alike_for_ever() -> None:
    assert derive(0) == 3456079177858693020
    assert derive(7, "participants", 1) == 7515711176230019131


def test_each_use_has_a_seed_of_its_own() -> None:
    labels = [(), ("open rows", 1), ("open rows", 11), ("open rows", 1, 1), ("learner", "1")]
    seeds = {derive(seed, *label) for seed in (0, 1, 2**63 - 1) for label in labels}
    assert len(seeds) == 3 * len(labels)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("sample", "rows"),
    [
        (Sample(1234567, 5, 20), [1, 13, 15, 17, 19]),
        (Sample(2**64 - 1, 3, 1000), [175, 876, 952]),
    ],
)
def test_samples_are_drawn_alike_for_ever(sample: Sample, rows: list[int]) -> None:
    assert sample.draw().tolist() == rows
    assert sample.draw().dtype == np.int64
    tickets = plain_splitmix64(sample.seed, sample.population)
    assert sorted(sorted(range(sample.population), key=tickets.__getitem__)[: sample.count]) == rows


def test_a_sample_of_all_is_all_and_of_none_is_none() -> None:
    assert Sample(5, 9, 9).draw().tolist() == list(range(9))
    assert Sample(5, 0, 9).draw().tolist() == []


def test_every_row_is_as_likely_as_any_other() -> None:
    drawn = np.concatenate([Sample(derive(0, "open rows", use), 10, 40).draw() for use in range(2000)])
    hits = np.bincount(drawn, minlength=40)
    # Binomial: 2000 draws at 1/4 make 500 on average, with a standard deviation of 19.4.
    assert np.all(np.abs(hits - 500) < 4 * 19.4)


def test_who_is_chosen_depends_on_the_names_and_not_on_their_order() -> None:
    names = ["ann", "bob", "cid", "dan"]
    assert {tuple(choose(3, list(order), 2)) for order in itertools.permutations(names)} == {("ann", "cid")}


def test_another_seed_chooses_others_and_a_larger_count_keeps_who_was_chosen() -> None:
    names = [f"client-{number}" for number in range(30)]
    assert len({tuple(choose(seed, names, 10)) for seed in range(20)}) == 20
    assert set(choose(3, names, 10)) < set(choose(3, names, 11))
    assert choose(3, names, 99) == sorted(names)
