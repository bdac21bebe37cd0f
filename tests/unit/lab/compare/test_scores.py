"""What a comparison reads from its runs."""

import json
from pathlib import Path

import pytest
from support.comparisons import plan, record_run

from limbeck_lab.compare.plan import Job
from limbeck_lab.compare.scores import read_runs, score


def test_scores_are_taken_over_the_seeds_and_relative_to_fedavg(tmp_path: Path) -> None:
    both = plan("fedavg", "dsfl")
    record_run(tmp_path, Job("fedavg", 0, 3), [0.5, 0.8, 0.9], 1000)
    record_run(tmp_path, Job("fedavg", 1, 3), [0.8, 0.8, 0.7], 1000)
    record_run(tmp_path, Job("dsfl", 0, 3), [0.1, 0.2, 0.8], 10, has_model=False)
    found = score(both, read_runs(both, tmp_path))
    base, other = found.scores
    assert base.server is not None
    assert (base.server.median, base.server.low, base.server.high) == (pytest.approx(0.8), 0.7, 0.9)
    assert (base.worst, base.middle, base.best) == (pytest.approx(0.7), pytest.approx(0.8), pytest.approx(0.9))
    assert [run.target_round for run in base.runs] == [2, 1]
    assert base.target_bytes is not None
    assert (base.target_bytes.median, base.target_bytes.low, base.target_bytes.high) == (1500, 1000, 2000)
    assert base.bytes is not None
    assert base.bytes.median == 4000
    assert other.server is None
    assert other.missing == (1,)
    assert [run.target_bytes for run in other.runs] == [30]  # judged by the mean client
    assert other.bytes_of_baseline == pytest.approx(0.01)
    assert other.target_bytes_of_baseline == pytest.approx(0.02)


def test_a_target_that_half_of_the_seeds_miss_has_no_median(tmp_path: Path) -> None:
    one = plan("dsfl")
    record_run(tmp_path, Job("dsfl", 0, 3), [0.5, 0.8], 10)
    record_run(tmp_path, Job("dsfl", 1, 3), [0.5, 0.7], 10)
    (found,) = score(one, read_runs(one, tmp_path)).scores
    assert found.target_bytes is not None
    assert (found.target_bytes.median, found.target_bytes.low) == (None, 20)
    assert json.loads(found.model_dump_json())["target_bytes"]["median"] is None
