"""Teacher and student: the loss against numbers worked out by hand, and who has what when."""

from math import log

import numpy as np
import pytest
import torch
from support.aggregators import Past
from support.method_rounds import only, planned
from support.small_models import LINEAR, SPEC, WIDE, aggregator, linear, participant, values

from limbeck_common.core.blocks import NO_ROWS, Block, Parts, Shapes, parameters
from limbeck_common.core.form import Ask, Form
from limbeck_common.core.messages import ALL
from limbeck_common.learning.participant import Participant
from limbeck_common.learning.torch_learner import Step
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.fedkd_ts import STUDENT, TEACHER, FedKDTS, distillation
from limbeck_common.methods.server_round import Recipient

METHOD = FedKDTS(student="linear")  # of four rounds, two are the teacher's
MODELS = {TEACHER: WIDE, STUDENT: LINEAR}


def contribution(client: Participant, number: int, method: FedKDTS = METHOD) -> Block:
    """Have a client do a round, and return what it contributes."""
    phase = method.phase(SPEC, number)
    plan = {phase: Ask(Form.model(phase), NO_ROWS, {phase: MODELS[phase]})}
    return only(method.client_update(ClientRound(client, number, {}, plan)))


def take(client: Participant, parts: Parts, number: int) -> None:
    METHOD.client_receive(ClientRound(client, number + 1, parts))


def trained() -> tuple[Parts, Parts]:
    """Return the averages of both phases, each of one client."""
    client = participant("wide")
    teacher = aggregator(METHOD, {"a": contribution(client, 1)}, MODELS, 1).aggregate().blocks[ALL]
    student = aggregator(METHOD, {"a": contribution(client, 3)}, MODELS, 3).aggregate().blocks[ALL]
    return teacher, student


def test_the_students_loss_is_alpha_t_squared_kl_and_the_rest_cross_entropy() -> None:
    logits, labels = torch.zeros(1, 2), torch.tensor([0])
    loss = distillation(lambda _: torch.tensor([[2 * log(3), 0.0]]), 0.25, 2.0)
    # At T = 2 the teacher says 3/4 and 1/4, the student 1/2 and 1/2: KL = 3/4 ln(3/2) + 1/4 ln(1/2); CE = ln 2.
    divergence = 0.75 * log(1.5) + 0.25 * log(0.5)
    step = Step(torch.nn.Identity(), torch.zeros(1, 2), labels, logits, None, torch.tensor(log(2)))
    assert loss(step).item() == pytest.approx(0.25 * 4 * divergence + 0.75 * log(2), rel=1e-6)


def test_without_a_teachers_share_the_student_learns_from_labels_alone() -> None:
    client, alone = participant("wide"), participant().fresh()
    sent = contribution(client, 3, FedKDTS(student="linear", alpha=0.0))
    alone.fit()
    assert sent.parameters["weight"] == pytest.approx(alone.parameters()["weight"], abs=1e-6)
    with_teacher = contribution(participant("wide"), 3, FedKDTS(student="linear", alpha=1.0))
    assert not np.allclose(with_teacher.parameters["weight"], alone.parameters()["weight"], atol=1e-3)


@pytest.mark.parametrize("whose", ["average", "local"])
def test_the_students_teacher_is_the_average_or_the_clients_own(whose: str) -> None:
    method = FedKDTS(student="linear", teacher=whose)
    client, newcomer = participant("wide"), participant("wide", seed=3)
    own = contribution(client, 2, method).parameters
    average = {TEACHER: parameters({name: value + 1 for name, value in own.items()})}
    for each in (client, newcomer):
        method.client_receive(ClientRound(each, 3, average))
    kept = own if whose == "local" else average[TEACHER].parameters
    assert np.array_equal(client.parameters()["0.weight"], kept["0.weight"])
    assert np.array_equal(newcomer.parameters()["0.weight"], average[TEACHER].parameters["0.weight"])


def test_half_of_the_rounds_are_the_teachers_or_as_many_as_are_wanted() -> None:
    def asked(method: FedKDTS, *numbers: int) -> list[dict[str, dict[str, Shapes]]]:
        past = Past(SPEC, architectures=MODELS)
        return [{part: dict(ask.models) for part, ask in planned(method, past, each).items()} for each in numbers]

    teacher, student = {TEACHER: {TEACHER: WIDE}}, {STUDENT: {STUDENT: LINEAR}}
    assert asked(METHOD, 1, 2, 3, 4) == [teacher, teacher, student, student]
    assert asked(FedKDTS(teacher_rounds=3), 3, 4) == [teacher, student]
    assert asked(FedKDTS(teacher_rounds=9), 3, 4) == [teacher, student]  # the last one is the student's


def test_averages_travel_as_the_part_of_their_phase() -> None:
    sent = {"a": linear([[1, 1], [1, 1]], rows=3), "b": linear([[5, 5], [5, 5]], rows=1)}
    aggregate = aggregator(METHOD, sent, MODELS, 3).aggregate().blocks[ALL]
    # Three ones and a five, over four.
    assert {part: values(block) for part, block in aggregate.items()} == {
        STUDENT: {"weight": [[2, 2], [2, 2]], "bias": [0, 0]}
    }


def test_the_teacher_does_not_change_in_the_second_phase() -> None:
    teacher, student = trained()
    client = participant("wide", seed=3)
    take(client, teacher, 2)
    contribution(client, 3)
    take(client, student, 3)
    contribution(client, 4)
    assert values(parameters(client.parameters())) == values(teacher[TEACHER])
    assert list(client.others) == ["student"]


def test_who_comes_in_the_second_phase_gets_the_teacher_too() -> None:
    teacher, student = trained()
    past = Past(SPEC, {2: teacher, 3: student}, MODELS)
    assert METHOD.server_downlink(past, Recipient(1)) is None
    assert METHOD.server_downlink(past, Recipient(3, learned=2)) == teacher
    assert METHOD.server_downlink(past, Recipient(4, learned=3)) == student
    both = METHOD.server_downlink(past, Recipient(4))
    assert both == {**teacher, **student}
    newcomer = participant("wide", seed=3)
    take(newcomer, both, 3)
    assert values(parameters(newcomer.parameters())) == values(teacher[TEACHER])


def test_a_client_goes_on_from_its_state_with_the_same_bits() -> None:
    client, restored = participant("wide"), participant("wide")
    contribution(client, 3)
    restored.load_state(client.state())
    one, other = (contribution(each, 4) for each in (client, restored))
    assert values(one) == values(other)


def test_metrics_are_of_the_teacher_until_there_is_a_student() -> None:
    client = participant("wide")
    assert set(METHOD.client_metrics(client)) == {"accuracy", "balanced_accuracy", "loss"}
    contribution(client, 3)
    metrics = METHOD.client_metrics(client)
    assert metrics["accuracy"] == metrics["student_accuracy"]
    assert metrics["teacher_accuracy"] == client.measure()["accuracy"]
    assert metrics["compression_ratio"] == (6 + 3 + 6 + 2) / (4 + 2)
