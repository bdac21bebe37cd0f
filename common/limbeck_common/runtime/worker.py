"""A process that holds learners and does their work, one piece at a time: `python -m limbeck_common.runtime.worker`.

The simulation keeps its clients in several of these, and the daemon keeps its own model in one: training then never
shares an interpreter with an event loop, and a model that crashes takes no daemon with it. Frames on standard input
and output: a line of JSON, which gives the size of the body, then the body, a wire message or nothing.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from safetensors.numpy import save_file

from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.messages import Aggregate, Block, parameters
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.registry import ParticipantData, open_digest
from limbeck_common.learning.learner import Learner
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.registry import learner_seed, make_method
from limbeck_common.runtime.assemble import make_data, make_learner
from limbeck_common.runtime.local_round import local_round
from limbeck_common.wire.codec import (
    decode_downlink,
    encode_uplink,
    read_blocks,
    read_message,
    write_blocks,
    write_message,
)
from limbeck_common.wire.v1 import federation_pb2


class Worker:
    """Parties by name, and what may be asked of them."""

    def __init__(self) -> None:
        self._participants: dict[str, Participant] = {}

    def do(self, order: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Carry out one order and return the answer's fields and body."""
        name = order["participant"]
        match order["do"]:
            case "open":
                participant = self._participants[name] = _open(order)
                return {"open_digest": open_digest(participant.open_rows).hex()}, b""
            case "local_round":
                participant = self._participants[name]
                downlink = decode_downlink(*read_message(body, federation_pb2.Downlink()), participant.spec.open_rows)
                uplink = local_round(make_method(participant.spec.method), participant, downlink, name)
                return {"metrics": dict(uplink.metrics)}, write_message(*encode_uplink(uplink))
            case "refine":  # the server's own participant: see `Method.server_refine`
                participant = self._participants[name]
                method, rows = make_method(participant.spec.method), participant.spec.open_rows
                files = sorted(Path(order["uplinks"]).iterdir())
                aggregate = Aggregate(read_blocks(body, rows), order["groups"])
                refined = method.server_refine(
                    participant, lambda: (_read_block(file, rows) for file in files), aggregate, order["round"]
                )
                return {"groups": dict(refined.groups)}, write_blocks(refined.blocks)
            case "shapes":
                return {"shapes": _shapes(Spec.model_validate_json(order["spec"]), order["model"])}, b""
            case "alone":  # the same participant without a federation: as many local epochs, no aggregate
                participant = _open(order)
                for _ in range(participant.spec.rounds):
                    participant.fit()
                return {"metrics": participant.measure()}, b""
            case "save":
                save_file(self._participants[name].models(), Path(order["path"]))
                return {}, b""
            case unknown:
                raise ValueError(f"no such order: {unknown}")


def _open(order: dict[str, Any]) -> Participant:
    spec = Spec.model_validate_json(order["spec"])
    root = Path(order["data_dir"]) if order["data_dir"] else None
    data = make_data(order["data"], spec, order["part"], root)

    def build(model: str) -> Learner:
        return make_learner(model or order["model"], spec, learner_seed(spec, order["participant"]), order["device"])

    return Participant(spec, build(""), data, build)


def _read_block(file: Path, open_rows: int) -> Block:
    return read_blocks(file.read_bytes(), open_rows)[""]


def _shapes(spec: Spec, model: str) -> dict[str, list[int]]:
    """Return the shape of each parameter of a model, as a block of parameters has it."""
    participant = Participant(spec, make_learner(model, spec, 0, "cpu"), ParticipantData())
    block = parameters(participant.parameters())
    return {name: list(value.shape) for name, value in zip(block.parameters, block.values, strict=True)}


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Carry out orders until their stream ends. An order that fails is answered with its error's line."""
    worker = Worker()
    while line := orders.readline():
        order = json.loads(line)
        try:
            answer, body = worker.do(order, orders.read(order["size"]))
        except LimbeckError as error:
            answer, body = {"error": str(error)}, b""
        answers.write(json.dumps(answer | {"size": len(body)}).encode() + b"\n" + body)
        answers.flush()


def main() -> None:
    """Keep the frames' descriptor to ourselves: whatever a user's model prints goes to standard error."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
