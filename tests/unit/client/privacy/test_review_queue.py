"""What the review queue holds leaves when its owner says so, and only that."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.privacy.release_log import describe
from limbeck_client.privacy.review_queue import ReviewQueue
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import SettingsError
from limbeck_common.core.messages import Uplink
from limbeck_common.wire.digest import parts_digest

PARTS = {"labels": soft_labels(Rows(np.arange(2)), np.array([[0.5, 0.5], [0.9, 0.1]], np.float32))}
OTHER = {"labels": soft_labels(Rows(np.arange(2)), np.array([[0.5, 0.5], [0.8, 0.2]], np.float32))}
FIRST = Uplink("f", "a", 1, PARTS, {"accuracy": 0.5}, parts_digest(PARTS))
SECOND = replace(FIRST, round=2)


@pytest.fixture
def guard(tmp_path: Path) -> ReleaseGuard:
    return asking(tmp_path)


def asking(folder: Path, *, review: bool = True) -> ReleaseGuard:
    """Return the guard of a client that has just been started."""
    return ReleaseGuard.of(folder, Policy(), review=review)


def left(guard: ReleaseGuard) -> list[int]:
    return [release.round for release in guard.release_log.read()]


def test_nothing_leaves_or_is_logged_as_released_before_it_is_approved(tmp_path: Path, guard: ReleaseGuard) -> None:
    assert guard.release(FIRST) is None
    assert guard.release(FIRST) is None
    assert left(guard) == []
    held = ReviewQueue(tmp_path).held()
    assert replace(held, at="") == replace(describe(FIRST), at="")
    assert str(held).endswith(
        f"round   1  labels: 2 x probabilities, 16 bytes, at most 0.900 sure, entropy from 0.325 nats, with accuracy"
        f"  {FIRST.digest.hex()[:12]}"
    )
    assert ReviewQueue(tmp_path).approve() == held
    assert guard.release(FIRST) is True
    assert left(guard) == [1]
    with pytest.raises(SettingsError, match="nothing is held in"):
        ReviewQueue(tmp_path).held()


def test_a_decision_outlives_a_restart_and_is_about_its_uplink_alone(tmp_path: Path, guard: ReleaseGuard) -> None:
    guard.release(FIRST)
    ReviewQueue(tmp_path).approve()
    guard = asking(tmp_path)
    assert guard.release(SECOND) is None
    assert guard.release(replace(FIRST, federation_id="g")) is None
    assert guard.release(replace(FIRST, epoch=2)) is None
    assert guard.release(replace(FIRST, parts=OTHER, digest=parts_digest(OTHER))) is None
    assert guard.release(FIRST) is True
    assert guard.release(FIRST) is True  # its push is done again after a crash
    assert left(guard) == [1]


def test_an_approval_of_one_round_does_not_hold_for_the_next(tmp_path: Path, guard: ReleaseGuard) -> None:
    guard.release(SECOND)
    with pytest.raises(SettingsError, match="round 1 is over; round 2 is held; limbeck-client review"):
        ReviewQueue(tmp_path).approve(1)
    with pytest.raises(SettingsError, match="round 3 has not begun; round 2 is held; limbeck-client review"):
        ReviewQueue(tmp_path).approve(3)
    assert guard.release(SECOND) is None
    assert ReviewQueue(tmp_path).approve(2).round == 2
    assert guard.release(SECOND) is True


def test_what_was_refused_never_leaves_with_review_or_without(tmp_path: Path, guard: ReleaseGuard) -> None:
    guard.release(FIRST)
    assert ReviewQueue(tmp_path).refuse() is not None
    assert guard.release(FIRST) is False
    assert asking(tmp_path).release(FIRST) is False
    assert asking(tmp_path, review=False).release(FIRST) is False
    assert left(guard) == []
    assert asking(tmp_path, review=False).release(SECOND) is True


def test_all_that_follows_in_a_federation_leaves_until_its_owner_refuses(tmp_path: Path, guard: ReleaseGuard) -> None:
    guard.release(FIRST)
    ReviewQueue(tmp_path).approve(every=True)
    assert guard.release(FIRST) is True
    guard = asking(tmp_path)
    assert guard.release(SECOND) is True
    assert guard.release(replace(SECOND, federation_id="g")) is None
    guard.review_queue.clear()
    assert ReviewQueue(tmp_path).refuse() is None
    assert guard.release(replace(FIRST, round=3)) is None
    assert left(guard) == [1, 2]


def test_metrics_alone_are_held_too(tmp_path: Path, guard: ReleaseGuard) -> None:
    closing = Uplink("f", "a", 3, {}, {"loss": 0.5}, parts_digest({}))
    assert guard.release(closing) is None
    assert "metrics only, with loss" in str(ReviewQueue(tmp_path).held())
    ReviewQueue(tmp_path).approve()
    assert asking(tmp_path).release(closing) is True


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("decision.json", "yes", "decision.json: .*expected what limbeck-client wrote there; remove that file"),
        ("decision.json", "[1]", "decision.json: "),
        ("held.json", '{"round": 1}', "held.json: .*expected what limbeck-client wrote there; remove that file"),
        ("held.json", '"', "held.json: "),
    ],
)
def test_a_file_that_is_none_of_ours_is_named(
    tmp_path: Path, guard: ReleaseGuard, name: str, text: str, said: str
) -> None:
    guard.release(FIRST)
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=said):
        ReviewQueue(tmp_path).held() if name == "held.json" else guard.release(FIRST)


def test_what_is_held_is_logged_once_with_the_commands_that_decide(tmp_path: Path, guard: ReleaseGuard) -> None:
    with capture_logs() as logs:
        guard.release(FIRST)
        guard.release(FIRST)
        guard.release(SECOND)
    assert [(log["event"], log["client"], log["round"]) for log in logs] == [
        ("held until its owner approves", "a", 1),
        ("held until its owner approves", "a", 2),
    ]
    assert logs[0]["look"] == f"limbeck-client review {tmp_path}"
    assert logs[0]["then"] == f"limbeck-client approve {tmp_path} --round 1"


def test_a_refusal_ends_every_approval_in_advance(tmp_path: Path, guard: ReleaseGuard) -> None:
    guard.release(FIRST)
    ReviewQueue(tmp_path).approve(every=True)
    ReviewQueue(tmp_path).refuse()
    assert guard.release(FIRST) is False
    assert guard.release(SECOND) is None


def test_an_approval_in_advance_that_ends_leaves_the_decisions_before_it(tmp_path: Path, guard: ReleaseGuard) -> None:
    guard.release(FIRST)
    ReviewQueue(tmp_path).approve(every=True)
    guard.review_queue.clear()
    assert ReviewQueue(tmp_path).refuse() is None
    assert guard.release(FIRST) is True
    with pytest.raises(SettingsError, match="nothing is held"):
        ReviewQueue(tmp_path).refuse()


def test_a_decision_that_cannot_be_written_names_the_state_folder(tmp_path: Path, guard: ReleaseGuard) -> None:
    guard.release(FIRST)
    (tmp_path / "decision.json").mkdir()
    with pytest.raises(SettingsError, match=f"cannot write to {tmp_path}: .*; name another with STATE"):
        ReviewQueue(tmp_path).approve()
