"""Every call of the protocol. What is accepted must be right, and what is refused must leave nothing behind."""

import math
import re
from random import Random
from typing import Any, ClassVar

import numpy as np
from fuzz.damage import frames, mutate, unframe
from fuzz.services import WANTED, Services, Stream, parse, uplink_messages
from fuzz.subject import Subject
from fuzz.wire_subjects import check_plainly, plain_rows, seal
from google.protobuf.message import DecodeError
from support.federations import ID, OPEN, SPEC

from limbeck_common.core.errors import StreamError
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.security.certificates import new_key, read_identity, signing_request
from limbeck_common.wire.v1 import enrolment_pb2, operator_pb2
from limbeck_common.wire.v1 import federation_pb2 as pb
from limbeck_server.rpc import upload


class Call(Subject):
    """Calls services of its own."""

    def __init__(self) -> None:
        self.services = Services()

    def close(self) -> None:
        self.services.close()

    @property
    def state(self) -> Any:
        return self.services.coordinator.state


class Join(Call):
    name = "join"
    kinds = (pb.JoinRequest,)

    def __init__(self) -> None:
        super().__init__()
        asked = pb.JoinRequest(protocol_version=1, client_name="a", open_digest=open_digest(OPEN), output_width=3)
        self.seeds = [
            asked.SerializeToString(),
            pb.JoinRequest(protocol_version=1, client_name="a").SerializeToString(),
        ]

    def judge(self, data: bytes) -> None:
        request = parse(pb.JoinRequest, data)
        answer = self.services.ask(self.services.federation.Join, request)
        assert (request.protocol_version, request.client_name, answer.federation_id) == (1, "a", ID)
        assert request.output_width in {0, 3}
        assert request.open_digest in {b"", open_digest(OPEN)}
        assert self.state.members == {"a", "b"}


class Pull(Call):
    name = "pull"
    kinds = (pb.PullRequest,)

    def __init__(self) -> None:
        super().__init__()
        self.seeds = [
            pb.PullRequest(federation_id=ID, client_name="a", after_round=after, wait_seconds=5).SerializeToString()
            for after in (0, 1)
        ]

    def judge(self, data: bytes) -> None:
        request = parse(pb.PullRequest, data)
        (answer,) = self.services.ask(self.services.federation.Pull, request)
        assert (request.federation_id, request.client_name) == (ID, "a")
        assert answer.WhichOneof("answer") == ("head" if request.after_round == 0 else "idle")
        assert not self.services.federation.authentication._open  # noqa: SLF001 - every call was counted out again


def sealed(data: bytes, random: Random) -> bytes:
    """Return the frames of a Push, half of the time with a size and a digest that fit."""
    try:
        messages = [pb.PushRequest.FromString(part) for part in unframe(data)]
    except DecodeError:
        return data
    if messages and random.random() < 0.5:
        seal(messages[0].head, b"".join(message.chunk for message in messages))
    return frames(message.SerializeToString() for message in messages)


class Push(Call):
    name = "push"
    kinds = (pb.PushRequest,) * 2

    def __init__(self) -> None:
        super().__init__()
        self.seeds = [frames(message.SerializeToString() for message in uplink_messages())]

    def draw(self, random: Random) -> bytes:
        return sealed(super().draw(random), random)

    def judge(self, data: bytes) -> None:
        parts = unframe(data)
        try:
            receipt = self.services.ask(self.services.federation.Push, Stream(parts)).receipt
        finally:
            if not self.state.delivered:
                assert list(self.services.store.blocks.iterdir()) == []
        if receipt == pb.RECEIPT_ACCEPTED:
            self._check([parse(pb.PushRequest, part) for part in parts])
            self.services.renew()

    def _check(self, messages: list[Any]) -> None:
        head = messages[0].head
        payload = b"".join(message.chunk for message in messages)
        assert (head.federation_id, head.client_name, head.round, head.payload_size) == (ID, "a", 1, len(payload))
        assert plain_rows(head.parts[0].block.open_indices) == WANTED.indices.tolist()
        assert check_plainly(head.parts, payload, SPEC.open_rows) == head.digest
        values = np.frombuffer(payload, np.float32).reshape(8, 3)
        assert ((values >= -1e-6) & (values <= 1 + 1e-6)).all()
        assert np.abs(values.sum(axis=1, dtype=np.float64) - 1).max() <= 0.01
        assert len(head.metrics) <= 64
        for name, figure in head.metrics.items():
            assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name)
            assert math.isfinite(figure)
        assert self.state.delivered == {"a"}
        ((client, kept),) = self.services.store.uplinks(1)
        assert client == "a"
        assert kept["labels"].array[:].tobytes() == payload


class LargePush(Push):
    """The same, with every payload in a file."""

    name = "large-push"

    def judge(self, data: bytes) -> None:
        usual, upload.INLINE_BYTES = upload.INLINE_BYTES, 16
        try:
            super().judge(data)
        finally:
            upload.INLINE_BYTES = usual


class OpenData(Call):
    name = "open-data"
    kinds = (pb.OpenDataRequest,)

    def __init__(self) -> None:
        super().__init__()
        self.seeds = [pb.OpenDataRequest(federation_id=ID, offset=offset).SerializeToString() for offset in (0, 40)]

    def judge(self, data: bytes) -> None:
        request = parse(pb.OpenDataRequest, data)
        parts = self.services.ask(self.services.federation.OpenData, request)
        assert request.federation_id == ID
        assert b"".join(part.chunk for part in parts) == OPEN.tobytes()[request.offset :]


class Enrol(Call):
    name = "enrol"
    kinds = (enrolment_pb2.EnrolRequest,)

    def __init__(self) -> None:
        super().__init__()
        token = self.services.tls.new_token("edge", "client", 1e9, "127.0.0.1:1")
        self._asked = enrolment_pb2.EnrolRequest(
            token_id=token.id, secret=token.secret, signing_request=signing_request(new_key(), "other")
        )
        self.seeds = [self._asked.SerializeToString()]

    def judge(self, data: bytes) -> None:
        request = parse(enrolment_pb2.EnrolRequest, data)
        answer = self.services.ask(self.services.enrolment.Enrol, request)
        assert (request.token_id, request.secret) == (self._asked.token_id, self._asked.secret)
        whose = read_identity(answer.certificate)
        assert whose is not None
        assert (whose.name, whose.role) == ("edge", "client")


class Operator(Call):
    """An operator's call, or the same by a client: frames of a role, a call's name and its request."""

    name = "operator"
    requests: ClassVar[dict[str, Any]] = {
        "Status": operator_pb2.StatusRequest(),
        "Watch": operator_pb2.WatchRequest(after_event=1),
        "Pause": operator_pb2.PauseRequest(),
        "Resume": operator_pb2.ResumeRequest(),
        "Evict": operator_pb2.EvictRequest(client_name="b"),
        "Stop": operator_pb2.StopRequest(reason="enough"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.seeds = [
            frames([role, name.encode(), request.SerializeToString()])
            for name, request in self.requests.items()
            for role in (b"client", b"operator")
        ]

    def draw(self, random: Random) -> bytes:
        role, name, _ = unframe(random.choice(self.seeds))
        request = self.requests[name.decode()]
        return frames([role, name, mutate(request.SerializeToString(), (type(request),), random)])

    def judge(self, data: bytes) -> None:
        parts = unframe(data)
        if len(parts) != 3 or parts[1].decode("latin-1") not in self.requests:
            raise StreamError("no such call")
        name = parts[1].decode()
        request = parse(type(self.requests[name]), parts[2])
        before = self.state
        mine = self.services.operator if parts[0] == b"operator" else self.services.client
        most = None
        if name == "Watch":  # it goes on for ever
            most = (
                max(0, len(self.services.store.facts()) - request.after_event) if mine == self.services.operator else 1
            )
        self.services.ask(getattr(self.services.operating, name), request, mine, most)
        assert parts[0] == b"operator"
        assert name != "Evict" or request.client_name in {"a", "b"}
        if self.state != before:
            self.services.renew()
