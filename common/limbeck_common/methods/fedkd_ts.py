"""Teacher and student: the federation trains a large model, then a small one that learns from it.

The losses are of G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv
1503.02531); the averages are FedAvg's (McMahan et al. 2017, arXiv 1602.05629), by n_k. In the first phase the clients
train teachers, which are averaged. In the second each trains a student on its private rows, with the averaged teacher
beside it, towards alpha * T^2 * KL(softmax(z_t / T), softmax(z_s / T)) + (1 - alpha) * CE(z_s, y); the students are
averaged. At the end every participant has both. The teacher is the server's model, which all clients have.

Choices where tutorials differ: the teacher does not change in the second phase; a client that joins only then gets it
with the student.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat

from limbeck_common.core.messages import Aggregate, Ask, Block, Kind, Rows, Space, parameters
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Penalty
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.method import Method, ServerContext, ServerRound

TEACHER, STUDENT = "teacher", "student"


class FedKDTS(Method):
    """Averaged teachers, then averaged students that learn from them."""

    one_start: ClassVar[bool] = True
    needs_open: ClassVar[bool] = False
    sends: ClassVar[Kind | None] = Kind.PARAMETERS
    student: Annotated[str, Field(description="Name of the small model.")] = "mlp"
    teacher_rounds: Annotated[
        NonNegativeInt, Field(description="Rounds of the first phase; 0 for half of all rounds.")
    ] = 0
    alpha: Annotated[float, Field(ge=0, le=1, description="Share of the teacher in the student's loss.")] = 0.5
    temperature: Annotated[PositiveFloat, Field(description="T of the teacher's and the student's softmax.")] = 2.0

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: name the teacher's model and the student's."""
        return {TEACHER: server_model, STUDENT: self.student}

    def server_plan(self, context: ServerContext, number: int) -> Ask:
        """Server: ask for weights of the phase's model, weighted by the number of rows that they were trained on."""
        models = {"": context.models[self.phase(context.spec, number)]}
        return Ask(Space.PARAMETERS, Kind.PARAMETERS, weighted=True, models=models)

    def client_update(self, participant: Participant, wanted: Rows, number: int) -> Block:
        """Client: train the teacher, or the student with the teacher beside it, and send its weights with n_k."""
        trained = participant
        if self.phase(participant.spec, number) == TEACHER:
            participant.fit()
        else:
            trained = participant.other(STUDENT, self.student)
            trained.fit(distillation(participant.weights.frozen(), self.alpha, self.temperature))
        return parameters(trained.parameters(), weight=participant.private_rows)

    def server_aggregate(self, server: ServerRound) -> Aggregate:
        """Server: average the weights by n_k, under the names of the phase."""
        phase = self.phase(server.context.spec, server.number)
        return Aggregate.to_all(parameters(named(phase, server.models[""].means())))

    def server_downlink(self, context: ServerContext, number: int, group: str, learned: int) -> Block | None:
        """Server: return the last average, with the final teacher for a client that has not begun the second phase."""
        last, final = context.aggregate(number - 1), context.aggregate(self.last_of_teacher(context.spec))
        if last is None or final is None or learned > self.last_of_teacher(context.spec):
            return last
        return parameters(final.parameters | last.parameters)

    def client_receive(self, participant: Participant, aggregate: Block, number: int) -> None:
        """Client and server: take the averages."""
        if teacher := unnamed(TEACHER, aggregate.parameters):
            participant.load_parameters(teacher)
        if student := unnamed(STUDENT, aggregate.parameters):
            participant.other(STUDENT, self.student).load_parameters(student)

    def client_metrics(self, participant: Participant) -> dict[str, float]:
        """Client and server: measure both models. Once there is a student, `accuracy` and `loss` are the student's."""
        found = participant.measure()
        if "student_accuracy" not in found:
            return found
        ratio = size(participant.parameters()) / size(participant.other(STUDENT, self.student).parameters())
        return found | {
            "teacher_accuracy": found["accuracy"],
            "teacher_loss": found["loss"],
            "accuracy": found["student_accuracy"],
            "loss": found["student_loss"],
            "compression_ratio": ratio,
        }

    def last_of_teacher(self, spec: Spec) -> int:
        """Return the last round of the first phase. The federation's last round is always the student's."""
        return min(self.teacher_rounds or max(1, spec.rounds // 2), spec.rounds - 1)

    def phase(self, spec: Spec, number: int) -> str:
        """Return which model round `number` trains."""
        return TEACHER if number <= self.last_of_teacher(spec) else STUDENT


def distillation(teacher: Callable[[Any], Any], alpha: float, temperature: float) -> Penalty:
    """Return the term that turns a batch's cross-entropy into the student's loss: alpha * (T^2 * KL - CE)."""

    def penalty(module: Any, inputs: Any, labels: Any, logits: Any) -> Any:
        target = (teacher(inputs) / temperature).log_softmax(dim=1)
        found = (logits / temperature).log_softmax(dim=1)
        divergence = (target.exp() * (target - found)).sum(dim=1).mean()
        entropy = -logits.log_softmax(dim=1).gather(1, labels[:, None]).mean()
        return alpha * (temperature**2 * divergence - entropy)

    return penalty


def named(who: str, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return parameters under the names by which they travel."""
    return {f"{who}.{name}": value for name, value in values.items()}


def unnamed(who: str, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return one model's parameters under its own names; empty if they did not travel."""
    return {name.removeprefix(f"{who}."): value for name, value in values.items() if name.startswith(f"{who}.")}


def size(values: Mapping[str, NDArray[np.generic]]) -> int:
    """Return the number of values in a model's parameters."""
    return sum(value.size for value in values.values())
