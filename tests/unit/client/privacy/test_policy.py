"""The owner's limits hold, each by name, at the value and not beside it."""

import math
from pathlib import Path

import numpy as np
import pytest

from limbeck_client.privacy.policy import Policy, extremes, read_policy, work_bytes
from limbeck_client.privacy.release_log import describe
from limbeck_common.core.arrays.encodings import Encoding, Quantised, Top
from limbeck_common.core.arrays.tensors import SLICE_BYTES
from limbeck_common.core.blocks import NO_ROWS, Block, Rows, Space, class_scores, parameters, soft_labels
from limbeck_common.core.errors import PolicyError, SettingsError, UserCodeError
from limbeck_common.core.form import Ask, Form, Weights
from limbeck_common.core.kinds import Kind
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.recipe import Distill, Fit, Recipe
from limbeck_common.core.spec import Output, Spec

ROWS = Rows(np.arange(4))
PROBABILITIES = np.array([[0.5, 0.5], [0.9, 0.1], [0.25, 0.75], [0.99, 0.01]], np.float32)
PARTS = {"labels": soft_labels(ROWS, PROBABILITIES)}
RECIPE = Recipe(fit=Fit(epochs=2), distill=Distill(epochs=3))
AGGREGATE = {"labels": soft_labels(Rows(np.arange(2)), PROBABILITIES[:2])}
PLAN = {"labels": Ask(Form(Kind.PROBABILITIES, Space.OPEN, (2,)), ROWS)}
DOWNLINK = Downlink("f", 3, AGGREGATE, PLAN)
CLOSING = Downlink("f", 4, AGGREGATE)
SPEC = Spec(output=Output(width=2), sample_shape=(1,), sample_dtype="|u1", open_rows=4, recipe=RECIPE)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Policy(rows_per_round=3), "rows per round: 4; expected at most 3, as the owner says"),
        (Policy(epochs=4), "epochs per round: 5; expected at most 4"),
        (Policy(rounds=2), "rounds answered: 3; expected at most 2"),
        (Policy(memory=53), "bytes per round: 54; expected at most 53"),
    ],
)
def test_work_over_a_limit_is_refused_before_it_is_begun(policy: Policy, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        policy.check_work(SPEC, DOWNLINK, answered=2)
    Policy(rows_per_round=4, epochs=5, rounds=3, memory=54).check_work(SPEC, DOWNLINK, answered=2)


def test_the_closing_round_asks_for_no_rows_and_answers_none() -> None:
    Policy(rounds=0, rows_per_round=1, memory=18, epochs=5).check_work(SPEC, CLOSING, answered=2)
    with pytest.raises(PolicyError, match="bytes per round: 18"):
        Policy(memory=17).check_work(SPEC, CLOSING, answered=2)


def test_open_rows_are_counted_with_their_samples_and_labels() -> None:
    spec = Spec(output=Output(width=3), sample_shape=(2, 5), sample_dtype="<f4", open_rows=4)
    assert work_bytes(spec, DOWNLINK) == (2 + 4) * (2 * 5 * 4 + 3 * 4)
    assert work_bytes(spec, Downlink("f", 1, plan=PLAN)) == 4 * (2 * 5 * 4 + 3 * 4)
    assert work_bytes(spec, Downlink("f", 1, AGGREGATE)) == 2 * (2 * 5 * 4 + 3 * 4)
    assert work_bytes(spec, Downlink("f", 1)) == 0


def test_an_aggregate_of_parameters_or_classes_counts_with_its_size() -> None:
    weights = Downlink("f", 3, {"model": parameters({"w": np.zeros((2, 3)), "b": np.zeros(3)})}, {})
    assert work_bytes(SPEC, weights) == 9 * 4
    with pytest.raises(PolicyError, match="bytes per round: 36; expected at most 35"):
        Policy(memory=35).check_work(SPEC, weights, answered=2)
    by_class = Block(Space.CLASSES, Rows(np.arange(2)), Kind.PROBABILITIES, (PROBABILITIES[:2],))
    assert work_bytes(SPEC, Downlink("f", 3, {"outputs": by_class}, PLAN)) == 2 * 2 * 4 + 4 * (1 + 2 * 4)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            Policy(kinds=(Kind.LOGITS,)),
            r'probabilities would leave, that is, .*; expected only logits, .* kinds = \["logits", "probabilities"\]',
        ),
        (Policy(confidence=0.95), "part labels: the largest probability: 0.99; expected at most 0.95"),
        (Policy(entropy=0.1), r"part labels: a row's entropy is 0.056 nats; expected at least 0.1, as the owner says"),
        (Policy(seconds=1.0), "seconds of work: 1.5; expected at most 1"),
    ],
)
def test_a_release_over_a_limit_is_refused(policy: Policy, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        policy.check_release(PARTS, 1.5)
    Policy(confidence=0.991, entropy=0.05, seconds=1.5).check_release(PARTS, 1.5)


def test_the_limit_of_time_holds_for_metrics_alone_too() -> None:
    Policy(confidence=0.1, kinds=()).check_release({}, 1.0)
    with pytest.raises(PolicyError, match="seconds of work"):
        Policy(seconds=0.5).check_release({}, 1.0)


def test_limits_on_probabilities_do_not_hold_for_other_kinds() -> None:
    scores = class_scores(ROWS, np.full((4, 2), 30.0, np.float32))
    Policy(kinds=(Kind.LOGITS,), confidence=0.5, entropy=0.6).check_release({"scores": scores}, 0.0)


@pytest.mark.parametrize("encoding", [Quantised(2), Top(1)], ids=str)
def test_limits_hold_for_what_leaves_however_it_is_encoded(encoding: Encoding) -> None:
    labels = soft_labels(ROWS, encoding.encode(PROBABILITIES, Kind.PROBABILITIES))
    # In two bits 0.9 becomes 1; the largest value alone says as much as both, where there are two.
    most = extremes(labels)[0]
    Policy(confidence=most).check_release({"labels": labels}, 0.0)
    with pytest.raises(PolicyError, match="part labels: the largest probability"):
        Policy(confidence=most - 0.005).check_release({"labels": labels}, 0.0)


@pytest.mark.parametrize("kind", [Kind.MEMBERSHIPS, Kind.VOTES])
def test_limits_on_probabilities_hold_for_memberships_and_votes(kind: Kind) -> None:
    sure = {"it": Block(Space.OPEN, Rows(np.arange(1)), kind, (np.array([[1, 0]], np.float32),))}
    Policy().check_release(sure, 0.0)
    with pytest.raises(PolicyError, match=r"part it: the largest probability: 1; expected at most 0\.9"):
        Policy(confidence=0.9).check_release(sure, 0.0)


def test_each_part_is_judged_by_itself_and_named() -> None:
    counts = Block(Space.CLASSES, Rows(np.arange(2)), Kind.COUNTS, (np.array([9, 1], np.float32),))
    plan = PLAN | {"counts": Ask(Form(Kind.COUNTS, Space.CLASSES), Rows(np.arange(2)))}
    with pytest.raises(PolicyError, match="part counts: counts would leave, that is, how many private rows there are"):
        Policy().check_work(SPEC, Downlink("f", 1, plan=plan), answered=0)
    with pytest.raises(PolicyError, match="part counts: counts would leave"):
        Policy().check_release(PARTS | {"counts": counts}, 0.0)
    both = Policy(kinds=(Kind.PROBABILITIES, Kind.COUNTS), rows_per_round=4)
    both.check_work(SPEC, Downlink("f", 1, plan=plan | {"again": PLAN["labels"]}), answered=0)  # the same four rows
    both.check_release(PARTS | {"counts": counts}, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_row_that_is_not_finite_hides_behind_no_other(bad: float) -> None:
    block = soft_labels(Rows(np.arange(2)), np.array([[1, 0], [bad, bad]], np.float32))
    for policy in (Policy(), Policy(confidence=0.5, entropy=0.5)):
        with pytest.raises(UserCodeError, match="probabilities for open row 1 are not finite"):
            policy.check_release({"labels": block}, 0.0)


def test_a_label_of_one_and_zeros_has_no_entropy() -> None:
    sure = soft_labels(Rows(np.arange(2)), np.array([[1, 0], [0.5, 0.5]], np.float32))
    assert extremes(sure) == (1.0, 0.0)
    assert math.copysign(1.0, extremes(sure)[1]) == 1.0  # not -0.0, which the release log would show
    with pytest.raises(PolicyError, match="a row's entropy is 0 nats"):
        Policy(entropy=0.001).check_release({"labels": sure}, 0.0)
    Policy(entropy=0.0).check_release({"labels": sure}, 0.0)


def test_extremes_are_over_all_slices_and_those_of_no_rows_limit_nothing() -> None:
    rows = 3 * SLICE_BYTES // 8
    values = np.full((rows, 2), 0.5, np.float32)
    values[0] = 0.75, 0.25
    confidence, entropy = extremes(soft_labels(Rows(np.arange(rows)), values))
    assert confidence == 0.75
    assert entropy == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    values[0], values[-1] = 0.5, (0.25, 0.75)
    assert extremes(soft_labels(Rows(np.arange(rows)), values))[0] == 0.75
    assert extremes(soft_labels(NO_ROWS, np.zeros((0, 2), np.float32))) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rounds = -1", "rounds: .*greater"),
        ("round = 1", "round: .*expected limits among kinds, key_weights, metrics, rows_per_round, rounds, confidence"),
        ("=", "a TOML file that can be read"),
        ('kinds = ["letters"]', r"kinds\.0: "),
        ("rounds = -1\nseconds = -1", "rounds: .*greater"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(SettingsError, match=said) as refused:
        read_policy(tmp_path / "p.toml")
    assert refused.value.wrong.startswith(f"policy {tmp_path / 'p.toml'}: ")


def test_a_policy_that_is_not_there_is_refused_and_none_is_the_default(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_policy(tmp_path / "p.toml")
    assert read_policy(None) == Policy(kinds=(Kind.PROBABILITIES, Kind.MEMBERSHIPS, Kind.VALUES, Kind.VOTES))


def test_the_pages_example_is_a_policy(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "own-model.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    (tmp_path / "p.toml").write_text(example)
    assert set(read_policy(tmp_path / "p.toml").model_fields_set) == set(Policy.model_fields)


def test_a_weight_per_key_needs_permission_before_the_work_and_before_the_release() -> None:
    form = Form(Kind.PROBABILITIES, Space.OPEN, (2,), weights=Weights.KEY)
    asked = Downlink("f", 1, plan={"labels": Ask(form, Rows(np.arange(2)))})
    values = np.full((2, 2), 0.5, np.float32)
    sent = {"labels": form.block(values, Rows(np.arange(2)), np.array([3, 1]))}
    for forbidden in (lambda: Policy().check_work(SPEC, asked, 0), lambda: Policy().check_release(sent, 1.0)):
        with pytest.raises(PolicyError, match=r"labels: a weight per row or class would leave.*key_weights = true"):
            forbidden()
    Policy(key_weights=True).check_work(SPEC, asked, 0)
    Policy(key_weights=True).check_release(sent, 1.0)
    (record,) = describe(Uplink("f", "a", 1, sent, {}, b"", 1)).parts
    assert str(record).endswith("each with a weight")
