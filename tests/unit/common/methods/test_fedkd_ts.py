"""Teacher and student: the loss against numbers worked out by hand, and who has what when."""

from math import log

import numpy as np
import pytest
import torch
from support.small_models import LINEAR, SPEC, WIDE, aggregator, linear, participant, values

from limbeck_common.core.blocks import NO_ROWS, Block, parameters
from limbeck_common.methods.fedkd_ts import STUDENT, TEACHER, FedKDTS, distillation, named
from limbeck_server.aggregation.aggregator import Find, ServerContext

METHOD = FedKDTS(student="linear")  # of four rounds, two are the teacher's
MODELS = {TEACHER: WIDE, STUDENT: LINEAR}


def context(find: Find = lambda _number, _group: None) -> ServerContext:
    return ServerContext(SPEC, MODELS, find)


def trained() -> tuple[Block, Block]:
    """Return the averages of both phases, each of one client."""
    client = participant("wide")
    teacher = aggregator(METHOD, {"a": METHOD.client_update(client, NO_ROWS, 1)}, MODELS, 1).aggregate().blocks[""]
    student = aggregator(METHOD, {"a": METHOD.client_update(client, NO_ROWS, 3)}, MODELS, 3).aggregate().blocks[""]
    return teacher, student


def test_the_students_loss_is_alpha_t_squared_kl_and_the_rest_cross_entropy() -> None:
    logits, labels = torch.zeros(1, 2), torch.tensor([0])
    term = distillation(lambda _: torch.tensor([[2 * log(3), 0.0]]), 0.25, 2.0)
    # At T = 2 the teacher says 3/4 and 1/4, the student 1/2 and 1/2: KL = 3/4 ln(3/2) + 1/4 ln(1/2); CE = ln 2.
    divergence = 0.75 * log(1.5) + 0.25 * log(0.5)
    found = log(2) + term(None, torch.zeros(1, 2), labels, logits).item()
    assert found == pytest.approx(0.25 * 4 * divergence + 0.75 * log(2), rel=1e-6)


def test_without_a_teachers_share_the_student_learns_from_labels_alone() -> None:
    client, alone = participant("wide"), participant().fresh()
    sent = FedKDTS(student="linear", alpha=0.0).client_update(client, NO_ROWS, 3)
    alone.fit()
    assert sent.parameters["weight"] == pytest.approx(alone.parameters()["weight"], abs=1e-6)
    with_teacher = FedKDTS(student="linear", alpha=1.0).client_update(participant("wide"), NO_ROWS, 3)
    assert not np.allclose(with_teacher.parameters["weight"], alone.parameters()["weight"], atol=1e-3)


def test_half_of_the_rounds_are_the_teachers_or_as_many_as_are_wanted() -> None:
    asked = [METHOD.server_plan(context(), number).models[""] for number in (1, 2, 3, 4)]
    assert asked == [WIDE, WIDE, LINEAR, LINEAR]
    asked = [FedKDTS(teacher_rounds=3).server_plan(context(), number).models[""] for number in (3, 4)]
    assert asked == [WIDE, LINEAR]
    asked = [FedKDTS(teacher_rounds=9).server_plan(context(), number).models[""] for number in (3, 4)]
    assert asked == [WIDE, LINEAR]  # the last one is the student's


def test_averages_travel_under_the_names_of_their_phase() -> None:
    sent = {"a": linear([[1, 1], [1, 1]], rows=3), "b": linear([[5, 5], [5, 5]], rows=1)}
    aggregate = aggregator(METHOD, sent, MODELS, 3).aggregate().blocks[""]
    # Three ones and a five, over four.
    assert values(aggregate) == {"student.weight": [[2, 2], [2, 2]], "student.bias": [0, 0]}


def test_the_teacher_does_not_change_in_the_second_phase() -> None:
    teacher, student = trained()
    client = participant("wide", seed=3)
    METHOD.client_receive(client, teacher, 2)
    METHOD.client_update(client, NO_ROWS, 3)
    METHOD.client_receive(client, student, 3)
    METHOD.client_update(client, NO_ROWS, 4)
    assert values(parameters(named(TEACHER, client.parameters()))) == values(teacher)
    assert set(client.models()) >= {"model.0.weight", "student.model.weight"}


def test_who_comes_in_the_second_phase_gets_the_teacher_too() -> None:
    teacher, student = trained()
    known = {2: teacher, 3: student}
    stands = context(lambda number, _group: known.get(number))
    assert METHOD.server_downlink(stands, 1, "", 0) is None
    assert METHOD.server_downlink(stands, 3, "", 2) is not None
    assert values(METHOD.server_downlink(stands, 3, "", 2) or student) == values(teacher)
    assert METHOD.server_downlink(stands, 4, "", 3) is student
    both = METHOD.server_downlink(stands, 4, "", 0)
    assert both is not None
    assert values(both) == values(teacher) | values(student)
    newcomer = participant("wide", seed=3)
    METHOD.client_receive(newcomer, both, 3)
    assert values(parameters(named(TEACHER, newcomer.parameters()))) == values(teacher)


def test_a_client_goes_on_from_its_state_with_the_same_bits() -> None:
    client, restored = participant("wide"), participant("wide")
    METHOD.client_update(client, NO_ROWS, 3)
    restored.load_state(client.state())
    one, other = (METHOD.client_update(each, NO_ROWS, 4) for each in (client, restored))
    assert values(one) == values(other)


def test_metrics_are_of_the_teacher_until_there_is_a_student() -> None:
    client = participant("wide")
    assert set(METHOD.client_metrics(client)) == {"accuracy", "loss"}
    METHOD.client_update(client, NO_ROWS, 3)
    metrics = METHOD.client_metrics(client)
    assert metrics["accuracy"] == metrics["student_accuracy"]
    assert metrics["teacher_accuracy"] == client.measure()["accuracy"]
    assert metrics["compression_ratio"] == (6 + 3 + 6 + 2) / (4 + 2)
