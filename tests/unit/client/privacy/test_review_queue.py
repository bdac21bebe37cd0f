"""What lies on the owner's review_queue leaves when its owner says so, and only that."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.privacy.release_log import describe
from limbeck_client.privacy.review_queue import ReviewQueue
from limbeck_common.core.errors import SettingsError
from limbeck_common.core.messages import Rows, Uplink, soft_labels
from limbeck_common.wire.codec import block_digest

BLOCK = soft_labels(Rows(np.arange(2)), np.array([[0.5, 0.5], [0.9, 0.1]], np.float32))
OTHER = soft_labels(Rows(np.arange(2)), np.array([[0.5, 0.5], [0.8, 0.2]], np.float32))
FIRST = Uplink("f", "a", 1, BLOCK, {"accuracy": 0.5}, block_digest(BLOCK))
SECOND = replace(FIRST, round=2)


@pytest.fixture
def owner(tmp_path: Path) -> ReleaseGuard:
    return asking(tmp_path)


def asking(folder: Path, *, review: bool = True) -> ReleaseGuard:
    """A client's owner as a freshly started client has it."""
    return ReleaseGuard.of(folder, Policy(), review=review)


def left(owner: ReleaseGuard) -> list[int]:
    return [release.round for release in owner.release_log.read()]


def test_nothing_leaves_or_stands_in_the_ledger_before_it_is_approved(tmp_path: Path, owner: ReleaseGuard) -> None:
    assert owner.release(FIRST) is None
    assert owner.release(FIRST) is None
    assert left(owner) == []
    held = ReviewQueue(tmp_path).held()
    assert replace(held, at="") == replace(describe(FIRST), at="")
    assert str(held).endswith(
        f"round   1  2 rows of probabilities, 16 bytes, at most 0.900 sure, entropy from 0.325 nats, with accuracy"
        f"  {FIRST.digest.hex()[:12]}"
    )
    assert ReviewQueue(tmp_path).approve() == held
    assert owner.release(FIRST) is True
    assert left(owner) == [1]
    with pytest.raises(SettingsError, match="nothing is held in"):
        ReviewQueue(tmp_path).held()


def test_a_word_outlives_a_restart_and_is_good_for_its_uplink_alone(tmp_path: Path, owner: ReleaseGuard) -> None:
    owner.release(FIRST)
    ReviewQueue(tmp_path).approve()
    owner = asking(tmp_path)
    assert owner.release(SECOND) is None
    assert owner.release(replace(FIRST, federation_id="g")) is None
    assert owner.release(replace(FIRST, contribution=OTHER, digest=block_digest(OTHER))) is None
    assert owner.release(FIRST) is True
    assert owner.release(FIRST) is True  # its push is done again after a crash
    assert left(owner) == [1]


def test_an_approval_of_one_round_is_none_of_the_next(tmp_path: Path, owner: ReleaseGuard) -> None:
    owner.release(SECOND)
    with pytest.raises(SettingsError, match="round 1 is over, round 2 is held; limbeck-client review"):
        ReviewQueue(tmp_path).approve(1)
    assert owner.release(SECOND) is None
    assert ReviewQueue(tmp_path).approve(2).round == 2
    assert owner.release(SECOND) is True


def test_what_was_refused_never_leaves_with_review_or_without(tmp_path: Path, owner: ReleaseGuard) -> None:
    owner.release(FIRST)
    assert ReviewQueue(tmp_path).refuse() is not None
    assert owner.release(FIRST) is False
    assert asking(tmp_path).release(FIRST) is False
    assert asking(tmp_path, review=False).release(FIRST) is False
    assert left(owner) == []
    assert asking(tmp_path, review=False).release(SECOND) is True


def test_all_that_follows_in_a_federation_leaves_until_its_owner_refuses(tmp_path: Path, owner: ReleaseGuard) -> None:
    owner.release(FIRST)
    ReviewQueue(tmp_path).approve(every=True)
    assert owner.release(FIRST) is True
    owner = asking(tmp_path)
    assert owner.release(SECOND) is True
    assert owner.release(replace(SECOND, federation_id="g")) is None
    owner.review_queue.clear()
    assert ReviewQueue(tmp_path).refuse() is None
    assert owner.release(replace(FIRST, round=3)) is None
    assert left(owner) == [1, 2]


def test_metrics_alone_are_held_too(tmp_path: Path, owner: ReleaseGuard) -> None:
    closing = Uplink("f", "a", 3, None, {"loss": 0.5}, block_digest(None))
    assert owner.release(closing) is None
    assert "metrics only, with loss" in str(ReviewQueue(tmp_path).held())
    ReviewQueue(tmp_path).approve()
    assert asking(tmp_path).release(closing) is True


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path, owner: ReleaseGuard) -> None:
    (tmp_path / "word.json").write_text("yes")
    with pytest.raises(SettingsError, match=r"word\.json: .*expected what limbeck-client wrote there"):
        owner.release(FIRST)
