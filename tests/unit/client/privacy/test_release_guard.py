"""Nothing is kept, released or worked on that the owner's policy does not allow."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.method_rounds import plan_of

from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.privacy.release_log import ReleaseLog, describe
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import PolicyError, SettingsError, UserCodeError
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Output, Spec
from limbeck_common.methods.dsfl import DSFL
from limbeck_common.methods.fedavg import FedAvg
from limbeck_common.methods.fedmd import FedMD
from limbeck_common.methods.method import Method
from limbeck_common.wire.digest import parts_digest

ROWS = Rows(np.arange(4))
PARTS = {"labels": soft_labels(ROWS, np.array([[0.5, 0.5], [0.9, 0.1], [0.25, 0.75], [0.99, 0.01]], np.float32))}
UPLINK = Uplink("f", "a", 3, PARTS, {"seconds": 1.5}, parts_digest(PARTS))
SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=4)
DOWNLINK = Downlink("f", 3, plan=plan_of(DSFL(), SPEC, ROWS))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (FedAvg(), "part model: parameters would leave, that is, the model itself; expected only probabilities, mem"),
        (FedMD(), "part scores: logits would leave"),
    ],
)
def test_what_may_not_leave_is_refused_before_any_work_on_it(tmp_path: Path, method: Method, said: str) -> None:
    downlink = Downlink("f", 3, plan=plan_of(method, SPEC, ROWS))
    with pytest.raises(PolicyError, match=said):
        ReleaseGuard.of(tmp_path, Policy()).check_work(SPEC, downlink, epoch=1)
    ReleaseGuard.of(tmp_path, Policy(kinds=tuple(Kind))).check_work(SPEC, downlink, epoch=1)
    ReleaseGuard.of(tmp_path, Policy()).check_work(SPEC, Downlink("f", 4), epoch=1)


@pytest.mark.parametrize("policy", [Policy(kinds=(Kind.LOGITS,)), Policy(confidence=0.9), Policy(seconds=1.0)])
def test_what_is_over_a_limit_is_neither_kept_nor_released(tmp_path: Path, policy: Policy) -> None:
    guard = ReleaseGuard.of(tmp_path, policy)
    with pytest.raises(PolicyError):
        guard.keep({}, UPLINK)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PolicyError):  # kept under another policy, before a restart
        guard.release(UPLINK)
    assert list(ReleaseLog(tmp_path).read()) == []


def test_what_is_within_the_limits_is_kept_and_released(tmp_path: Path) -> None:
    guard = ReleaseGuard.of(tmp_path, Policy(confidence=0.991, entropy=0.05, seconds=1.5))
    assert guard.checkpoint("f", 4) is None
    guard.keep({"w": np.ones(2)}, UPLINK)
    found = guard.checkpoint("f", 4)
    assert found is not None
    assert found.uplink.digest == UPLINK.digest
    assert found.participant["w"].tolist() == [1, 1]
    assert list(ReleaseLog(tmp_path).read()) == []
    assert guard.release(UPLINK) is True
    assert [record.key for record in ReleaseLog(tmp_path).read()] == [describe(UPLINK).key]


def test_an_uplink_that_is_not_finite_leaves_the_checkpoint_before_it_in_place(tmp_path: Path) -> None:
    guard = ReleaseGuard.of(tmp_path, Policy())
    guard.keep({"w": np.ones(2)}, UPLINK)
    before = (tmp_path / "state").read_bytes()
    parts = {"labels": soft_labels(ROWS, np.full((4, 2), math.nan, np.float32))}
    with pytest.raises(UserCodeError, match="open row 0"):
        guard.keep({"w": np.zeros(2)}, replace(UPLINK, round=4, parts=parts, digest=parts_digest(parts)))
    assert (tmp_path / "state").read_bytes() == before


def test_a_round_that_is_done_again_after_a_crash_counts_once(tmp_path: Path) -> None:
    guard = ReleaseGuard.of(tmp_path, Policy(rounds=1))
    guard.release_log.write(describe(UPLINK))
    guard.check_work(SPEC, DOWNLINK, epoch=1)
    with pytest.raises(PolicyError, match="rounds answered: 2"):
        guard.check_work(SPEC, replace(DOWNLINK, round=4), epoch=1)
    with pytest.raises(PolicyError, match="rounds answered: 2"):  # of another epoch: it would leave once more
        guard.check_work(SPEC, DOWNLINK, epoch=2)
    guard.check_work(SPEC, replace(DOWNLINK, federation_id="g"), epoch=1)


def test_work_on_the_next_round_ends_the_review_of_the_one_before(tmp_path: Path) -> None:
    guard = ReleaseGuard.of(tmp_path, Policy(), review=True)
    assert guard.release(UPLINK) is None
    assert guard.review_queue.held().round == 3
    guard.check_work(SPEC, replace(DOWNLINK, round=4), epoch=1)
    with pytest.raises(SettingsError, match="nothing is held"):
        guard.review_queue.held()


@pytest.mark.parametrize("leaves", [True, False])
def test_a_decision_ends_the_review_and_only_what_leaves_is_logged(tmp_path: Path, *, leaves: bool) -> None:
    guard = ReleaseGuard.of(tmp_path, Policy(), review=True)
    assert guard.release(UPLINK) is None
    if leaves:
        guard.review_queue.approve()
    else:
        guard.review_queue.refuse()
    assert guard.release(UPLINK) is leaves
    assert not (tmp_path / "held.json").exists()
    assert len(list(guard.release_log.read())) == leaves


def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    guard = ReleaseGuard.of(tmp_path / "file", Policy())
    calls = [
        lambda: guard.check_work(SPEC, DOWNLINK, epoch=1),
        lambda: guard.checkpoint("f", 4),
        lambda: guard.keep({}, UPLINK),
    ]
    for call in calls:
        with pytest.raises(SettingsError, match=f"{tmp_path / 'file'}.*name another with --state"):
            call()


def test_a_release_log_that_cannot_be_written_keeps_the_uplink_back(tmp_path: Path) -> None:
    (tmp_path / "release-log.jsonl").mkdir()
    with pytest.raises(SettingsError, match=f"cannot write to {tmp_path}: .*name another with --state"):
        ReleaseGuard.of(tmp_path, Policy()).release(UPLINK)


def test_an_uplink_that_does_not_say_how_long_it_took_took_no_time(tmp_path: Path) -> None:
    ReleaseGuard.of(tmp_path, Policy(seconds=0.5)).keep({}, replace(UPLINK, metrics={}))
    assert (tmp_path / "state").exists()


def test_what_a_plan_did_not_announce_is_checked_when_it_is_there(tmp_path: Path) -> None:
    guard = ReleaseGuard.of(tmp_path, Policy(kinds=(Kind.LOGITS,)))
    guard.check_work(SPEC, Downlink("f", 3, plan={}), epoch=1)
    with pytest.raises(PolicyError, match="part labels: probabilities would leave"):
        guard.keep({}, UPLINK)
