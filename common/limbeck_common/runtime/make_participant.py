"""From a specification, a model's name and data to a participant."""

from limbeck_common.core.errors import DataError
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.learning.learner import Predictor, check_capabilities
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.registry import learner_seed, make_method
from limbeck_common.runtime.make_learner import make_learner


def make_participant(spec: Spec, name: str, model: str, data: ParticipantData, device: str) -> Participant:
    """Return the participant called `name`, with a fresh learner of its own model.

    Raises:
        SettingsError: there is no such model or device.
        UserCodeError: the user's model cannot be made, or lacks what the federation's method needs.
    """

    def build(other: str) -> Predictor:
        return make_learner(other or model, spec, learner_seed(spec, name), device)

    learner = build("")
    check_capabilities(learner, make_method(spec.method).needs, spec.method.name)
    return Participant(spec, learner, data, build, model)


def make_client(spec: Spec, name: str, model: str, data: ParticipantData, device: str) -> Participant:
    """Return a participant that is a client: as `make_participant` does, but a learner that trains needs private rows.

    Raises:
        DataError: it has none.
    """
    participant = make_participant(spec, name, model, data, device)
    if data.private is None and participant.trains:
        raise DataError(
            "the data has no private rows",
            expected="a ParticipantData with private examples, or a model that only predicts",
            remedy="name your data: --data package.module:callable",
        )
    return participant
