"""The owner's limits hold, each by name, and the release_log knows all that left."""

from pathlib import Path

import numpy as np
import pytest

from limbeck_client.privacy.policy import Policy, read_policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.privacy.release_log import ReleaseLog, ReleaseRecord, describe
from limbeck_common.core.errors import PolicyError, SettingsError
from limbeck_common.core.messages import NO_ROWS, Downlink, Kind, Rows, Uplink, parameters, soft_labels
from limbeck_common.core.spec import MethodSpec, Recipe, Spec
from limbeck_common.wire.codec import block_digest

ROWS = Rows(np.arange(4))
CHANCES = np.array([[0.5, 0.5], [0.9, 0.1], [0.25, 0.75], [0.99, 0.01]], np.float32)
BLOCK = soft_labels(ROWS, CHANCES)
RECIPE = Recipe(local_epochs=2, distill_epochs=3)
TEACHING = soft_labels(Rows(np.arange(2)), CHANCES[:2])
DOWNLINK = Downlink("f", 3, TEACHING, ROWS)
SPEC = Spec(classes=2, sample_shape=(1,), sample_dtype="|u1", open_rows=4, recipe=RECIPE)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Policy(rows_a_round=3), "rows a round: 4; expected at most 3, as the owner says"),
        (Policy(epochs=4), "epochs a round: 5; expected at most 4"),
        (Policy(rounds=2), "rounds answered: 3; expected at most 2"),
        (Policy(memory=53), "bytes a round: 54; expected at most 53"),
    ],
)
def test_work_over_a_limit_is_refused_before_it_is_begun(policy: Policy, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        policy.check_work(SPEC, DOWNLINK, answered=2)
    Policy(rows_a_round=4, epochs=5, rounds=3, memory=54).check_work(SPEC, DOWNLINK, answered=2)
    Policy(rounds=0).check_work(SPEC, Downlink("f", 4, closing=True), answered=2)


@pytest.mark.parametrize(
    ("policy", "method", "said"),
    [
        (Policy(), "fedavg", "parameters would leave; expected only probabilities, codes"),
        (Policy(), "fedmd", "logits would leave"),
        (Policy(entropy=0.1), "cfd", "codes would leave, which cannot be held to a confidence or an entropy"),
    ],
)
def test_a_method_that_sends_what_may_not_leave_is_refused_before_its_work(
    tmp_path: Path, policy: Policy, method: str, said: str
) -> None:
    spec = SPEC.model_copy(update={"method": MethodSpec(name=method)})
    with pytest.raises(PolicyError, match=said):
        ReleaseGuard.of(tmp_path, policy).check_work(spec, DOWNLINK)
    ReleaseGuard.of(tmp_path, Policy(kinds=tuple(Kind))).check_work(spec, DOWNLINK)
    ReleaseGuard.of(tmp_path, policy).check_work(spec, Downlink("f", 4, closing=True))


def test_a_teaching_of_weights_counts_by_its_size() -> None:
    weights = Downlink("f", 3, parameters({"w": np.zeros((2, 3)), "b": np.zeros(3)}), NO_ROWS)
    Policy(memory=36).check_work(SPEC, weights, answered=2)  # nine values of four bytes
    with pytest.raises(PolicyError, match="bytes a round: 36; expected at most 35"):
        Policy(memory=35).check_work(SPEC, weights, answered=2)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            Policy(kinds=(Kind.LOGITS,)),
            r'probabilities would leave; expected only logits, .* write kinds = \["logits", "probabilities"\]',
        ),
        (Policy(confidence=0.95), "the largest probability: 0.99; expected at most 0.95"),
        (Policy(entropy=0.1), r"a row's entropy is 0.056 nats; expected at least 0.1"),
        (Policy(seconds=1.0), "seconds of work: 1.5; expected at most 1"),
    ],
)
def test_what_is_over_a_limit_does_not_leave(tmp_path: Path, policy: Policy, said: str) -> None:
    guard = ReleaseGuard.of(tmp_path, policy)
    uplink = Uplink("f", "a", 3, BLOCK, {"seconds": 1.5}, block_digest(BLOCK))
    with pytest.raises(PolicyError, match=said):
        guard.keep({}, uplink)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PolicyError, match=said):  # kept under another policy, before a restart
        guard.release(uplink)
    assert list(ReleaseLog(tmp_path).read()) == []
    guard = ReleaseGuard.of(tmp_path, Policy(confidence=0.991, entropy=0.05, seconds=2))
    guard.keep({}, uplink)
    assert guard.release(uplink)
    assert [each.round for each in ReleaseLog(tmp_path).read()] == [3]


def test_the_ledger_counts_an_uplink_once_and_outlives_a_torn_line(tmp_path: Path) -> None:
    release_log = ReleaseLog(tmp_path)
    first, second = (describe(Uplink("f", "a", number, BLOCK, {}, block_digest(BLOCK))) for number in (1, 2))
    release_log.write(first)
    release_log.write(first)
    with release_log.file.open("a") as file:
        file.write('{"at": "2026')
    release_log.write(second)
    assert list(release_log.read()) == [first, second]
    assert first.rows == 4
    assert first.bytes == CHANCES.nbytes
    assert first.confidence == pytest.approx(0.99)
    assert (
        release_log.answered("f", besides=3),
        release_log.answered("f", besides=2),
        release_log.answered("g", besides=0),
    ) == (
        2,
        1,
        0,
    )
    assert isinstance(first, ReleaseRecord)


def test_an_uplink_of_no_rows_is_written_as_plain_json(tmp_path: Path) -> None:
    empty = soft_labels(NO_ROWS, np.zeros((0, 2), np.float32))
    release_log = ReleaseLog(tmp_path)
    release_log.write(describe(Uplink("f", "a", 1, empty, {}, block_digest(empty))))
    assert "Infinity" not in release_log.file.read_text()
    assert release_log.answered("f", besides=0) == 0


def test_a_round_that_is_done_again_after_a_crash_counts_once(tmp_path: Path) -> None:
    guard = ReleaseGuard.of(tmp_path, Policy(rounds=1))
    guard.release_log.write(describe(Uplink("f", "a", 3, BLOCK, {}, block_digest(BLOCK))))
    guard.check_work(SPEC, DOWNLINK)
    with pytest.raises(PolicyError, match="rounds answered"):
        guard.check_work(SPEC, Downlink("f", 4, wanted=ROWS))


@pytest.mark.parametrize(
    ("text", "said"),
    [("rounds = -1", "rounds: .*greater"), ("round = 1", "round: .*expected limits among kinds"), ("=", "TOML file")],
)
def test_a_policy_with_a_mistake_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        read_policy(tmp_path / "p.toml")


def test_the_pages_example_is_a_policy(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "client" / "README.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    (tmp_path / "p.toml").write_text(example)
    assert set(read_policy(tmp_path / "p.toml").model_fields_set) == set(Policy.model_fields)
