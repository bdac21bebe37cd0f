"""Teacher and student: the federation trains a large model, then a small one that learns from it.

The losses are of G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv
1503.02531); the averages are FedAvg's (McMahan et al. 2017, arXiv 1602.05629), by n_k. In the first phase the clients
train teachers, which are averaged. In the second each trains a student on its private rows, with the averaged teacher
beside it, towards alpha * T^2 * KL(softmax(z_t / T), softmax(z_s / T)) + (1 - alpha) * CE(z_s, y); the students are
averaged. At the end every participant has both. The teacher is the server's model, which all clients have.

Choices where tutorials differ: the teacher does not change in the second phase. It is the average, or with
`teacher = "local"` the client's own, as it was after its last training; a client that joins only then gets the average
with the student. Optimizers live on across rounds, unless the recipe has `fresh`.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveFloat

from limbeck_common.core.blocks import Parts, parameters
from limbeck_common.core.form import Form, Forms, Plan
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import Capability, Loss
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.client_round import ClientRound
from limbeck_common.methods.method import Method
from limbeck_common.methods.server_round import PastRounds, Recipient, ServerRound

TEACHER, STUDENT = "teacher", "student"
_TRAINED = "trained a teacher"


class FedKDTS(Method):
    """Averaged teachers, then averaged students that learn from them."""

    one_start: ClassVar[bool] = True
    needs_open: ClassVar[bool] = False
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.WEIGHTS})
    student: Annotated[str, Field(description="Name of the small model.")] = "mlp"
    teacher_rounds: Annotated[
        NonNegativeInt, Field(description="Rounds of the first phase; 0 for half of all rounds.")
    ] = 0
    teacher: Annotated[
        Literal["average", "local"], Field(description="Whose teacher a client's student learns from.")
    ] = "average"
    alpha: Annotated[float, Field(ge=0, le=1, description="Share of the teacher in the student's loss.")] = 0.5
    temperature: Annotated[PositiveFloat, Field(description="T of the teacher's and the student's softmax.")] = 2.0

    def architectures(self, server_model: str) -> dict[str, str]:
        """Server: name the teacher's model and the student's."""
        return {TEACHER: server_model, STUDENT: self.student}

    def forms(self, spec: Spec) -> Forms:
        """Both: the model of the phase, weighted by the number of rows that it was trained on."""
        models = {name: Form.model(name) for name in (TEACHER, STUDENT)}
        return Forms(up=models, down=models)

    def server_plan(self, server: ServerRound) -> Plan:
        """Server: ask for the weights of the phase's model."""
        return {self.phase(server.spec, server.number): None}

    def client_receive(self, client: ClientRound) -> None:
        """Client and server: take the averages."""
        keeps = self.teacher == "local" and client.number > self.last_of_teacher(client.spec)
        if TEACHER in client.aggregate and not (keeps and _TRAINED in client.memory):
            client.participant.load_parameters(client.aggregate[TEACHER].parameters)
        if STUDENT in client.aggregate:
            self._student(client.participant).load_parameters(client.aggregate[STUDENT].parameters)

    def client_update(self, client: ClientRound) -> Parts:
        """Client: train the teacher, or the student with the teacher beside it, and send its weights with n_k."""
        phase, participant = self.phase(client.spec, client.number), client.participant
        if phase == TEACHER:
            client.fit()
            client.memory[_TRAINED] = np.ones(1, np.bool_)
            return {TEACHER: client.model(participant.parameters())}
        student = self._student(participant)
        student.fit(distillation(participant.weights.frozen(), self.alpha, self.temperature))
        return {STUDENT: client.model(student.parameters())}

    def server_aggregate(self, server: ServerRound) -> Aggregate | Parts:
        """Server: average the weights of the phase's model by n_k."""
        phase = self.phase(server.spec, server.number)
        return {phase: parameters(server.models(phase)[phase].means())}

    def server_downlink(self, server: PastRounds, client: Recipient) -> Parts | None:
        """Server: return the last average, with the final teacher for a client that has not begun the second phase."""
        last_of_teacher = self.last_of_teacher(server.spec)
        last, final = server.aggregate(client.round - 1), server.aggregate(last_of_teacher)
        if last is None or final is None or client.learned > last_of_teacher:
            return last
        return {**final, **last}

    def client_metrics(self, participant: Participant) -> dict[str, float]:
        """Client and server: measure both models. Once there is a student, `accuracy` and `loss` are the student's."""
        found = participant.measure()
        if "student_accuracy" not in found:
            return found
        return found | {
            "teacher_accuracy": found["accuracy"],
            "teacher_loss": found["loss"],
            "accuracy": found["student_accuracy"],
            "loss": found["student_loss"],
            "compression_ratio": size(participant.parameters()) / size(self._student(participant).parameters()),
        }

    def _student(self, participant: Participant) -> Participant:
        return participant.other(STUDENT, self.student)

    def last_of_teacher(self, spec: Spec) -> int:
        """Return the last round of the first phase. The federation's last round is always the student's."""
        return min(self.teacher_rounds or max(1, spec.rounds // 2), spec.rounds - 1)

    def phase(self, spec: Spec, number: int) -> str:
        """Return which model round `number` trains."""
        return TEACHER if number <= self.last_of_teacher(spec) else STUDENT


def distillation(teacher: Callable[[Any], Any], alpha: float, temperature: float) -> Loss:
    """Return the student's loss: alpha * T^2 * KL + (1 - alpha) * CE."""

    def loss(step: Any) -> Any:
        target = (teacher(step.inputs) / temperature).log_softmax(dim=1)
        found = (step.scores / temperature).log_softmax(dim=1)
        divergence = (target.exp() * (target - found)).sum(dim=1).mean()
        return alpha * temperature**2 * divergence + (1 - alpha) * step.loss

    return loss


def size(values: Mapping[str, NDArray[np.generic]]) -> int:
    """Return the number of values in a model's parameters."""
    return sum(value.size for value in values.values())
