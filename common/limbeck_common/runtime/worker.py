"""A process that holds learners and works for another: `python -m limbeck_common.runtime.worker`.

The simulation keeps its clients in several of these, and the daemon keeps its own model in one: training then never
shares an interpreter with an event loop, and a model that crashes does not take the daemon with it. Requests arrive on
standard input and are answered, one at a time, on standard output.
"""

import os
import sys
from dataclasses import replace
from typing import BinaryIO

from limbeck_common.core.blocks import Parts, parameters
from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.messages import Aggregate
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.method import Refines, to_aggregate
from limbeck_common.methods.registry import make_method
from limbeck_common.methods.server_round import Refinement
from limbeck_common.runtime import requests
from limbeck_common.runtime.local_round import local_round
from limbeck_common.runtime.make_data import make_data
from limbeck_common.runtime.make_learner import make_learner
from limbeck_common.runtime.make_participant import make_participant
from limbeck_common.runtime.requests import Answer, Request
from limbeck_common.runtime.saved_model import save_model
from limbeck_common.wire.codec import decode_downlink, read_message
from limbeck_common.wire.named_parts import read_named, write_named
from limbeck_common.wire.v1 import federation_pb2


class Worker:
    """Participants by name, and the requests that they serve. Each method returns the answer and its body."""

    def __init__(self) -> None:
        self._participants: dict[str, Participant] = {}

    def serve(self, request: Request, body: bytes) -> tuple[Answer, bytes]:
        """Carry out a request.

        Raises:
            LimbeckError: it failed, for a reason that a person can act on.
        """
        match request:
            case requests.Open():
                return self._open(request), b""
            case requests.LocalRound():
                return self._local_round(request, body)
            case requests.Refine():
                return self._refine(request, body)
            case requests.Shapes():
                return _shapes(request), b""
            case requests.TrainAlone():
                return _train_alone(request), b""
            case requests.Save():
                save_model(self._participants[request.participant], request.folder)
                return requests.Saved(), b""

    def _open(self, request: requests.Open) -> requests.Opened:
        participant = self._participants[request.setup.participant] = _make(request.setup)
        return requests.Opened(open_digest=open_digest(participant.open_rows))

    def _local_round(self, request: requests.LocalRound, body: bytes) -> tuple[requests.Contributed, bytes]:
        participant = self._participants[request.participant]
        spec = participant.spec
        downlink = decode_downlink(*read_message(body, federation_pb2.Downlink()), spec.open_rows, spec.output.width)
        done = local_round(make_method(spec.method), participant, downlink)
        return requests.Contributed(metrics=done.metrics), write_named({request.participant: done.parts})

    def _refine(self, request: requests.Refine, body: bytes) -> tuple[requests.Refined, bytes]:
        participant = self._participants[request.participant]
        method = make_method(participant.spec.method)
        if not isinstance(method, Refines):
            raise TypeError(f"method {participant.spec.method.name} does not refine")
        files = sorted(request.uplinks.iterdir())
        aggregate = Aggregate(_read(body, participant.spec), request.moves)
        refinement = Refinement(
            participant,
            request.round,
            aggregate,
            lambda: (parts for file in files for parts in _read(file.read_bytes(), participant.spec).values()),
        )
        refined = to_aggregate(method.server_refine(refinement))
        return requests.Refined(moves=dict(refined.moves)), write_named(refined.blocks)


def _read(data: bytes, spec: Spec) -> dict[str, Parts]:
    return read_named(data, spec.open_rows, spec.output.width)


def _make(setup: requests.Setup) -> Participant:
    spec = setup.spec
    data = make_data(setup.data, spec, setup.part, setup.data_dir)
    if data.open is None:  # a client would fetch them from the server, which has them from the same source
        data = replace(data, open=make_data(setup.data, spec, None, setup.data_dir).open)
    return make_participant(spec, setup.participant, setup.model, data, setup.device)


def _shapes(request: requests.Shapes) -> requests.Shaped:
    """Return the shape that each parameter has in a block of parameters."""
    spec = request.spec
    participant = Participant(spec, make_learner(request.model, spec, 0, "cpu"), ParticipantData())
    block = parameters(participant.parameters())
    return requests.Shaped(shapes={name: value.shape for name, value in block.parameters.items()})


def _train_alone(request: requests.TrainAlone) -> requests.Measured:
    """Train as many local epochs as the federation has, with no aggregate."""
    participant = _make(request.setup)
    for _ in range(participant.spec.rounds):
        participant.fit()
    return requests.Measured(metrics=participant.measure())


def serve(incoming: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until their stream ends. A request that fails is answered with its error's line."""
    worker = Worker()
    while serve_one(worker, incoming, answers):
        answers.flush()


def serve_one(worker: Worker, incoming: BinaryIO, answers: BinaryIO) -> bool:
    """Answer one request, and return True; False where the stream has ended."""
    if not (lengths := incoming.read(requests.LENGTHS.size)):
        return False
    packed, size = requests.LENGTHS.unpack(lengths)
    request = requests.REQUESTS.validate_json(incoming.read(packed))
    body = incoming.read(size)
    answer: Answer
    try:
        answer, body = worker.serve(request, body)
    except LimbeckError as error:
        answer, body = requests.Failed(error=str(error)), b""
    answers.write(requests.pack(answer, body))
    return True


def main() -> None:
    """Serve. The frames' descriptor stays private: whatever a user's model prints goes to standard error."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
