"""FederationState files: what a disk, a crash or another program may have made of them."""

import base64
import builtins
import dataclasses
import hashlib
import io
import json
import math
import shutil
import tempfile
import tomllib
import typing
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.damage import mutate_bytes
from fuzz.subject import Subject
from fuzz.wire_subjects import OPEN_ROWS, UplinkHead
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from limbeck_client.checkpoint import Checkpoint, CheckpointFile
from limbeck_client.privacy.policy import read_policy
from limbeck_client.privacy.release_log import ReleaseLog, describe
from limbeck_common.core.blocks import Rows, soft_labels
from limbeck_common.core.errors import DataError
from limbeck_common.core.messages import Uplink
from limbeck_common.security.tokens import Token, read_token
from limbeck_common.wire.digest import parts_digest
from limbeck_lab.results.metrics_file import FILE, append, read
from limbeck_lab.results.records import RoundRecord, ServerRecord, Summary
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.settings import Settings, load

PARTS = {"labels": soft_labels(Rows(np.array([1, 4, 9])), np.full((3, 4), 0.25, np.float32))}
UPLINK = Uplink("test", "a", 2, PARTS, {"loss": 0.5}, parts_digest(PARTS))
_JSON = ["null", "[]", "{}", '""', "-1", "1e999", "NaN", "true", "9" * 5000, "[" * 5000, '"\\ud800"', "0.5", '"x"']


class File(Subject):
    """Lies in a folder of its own, which each judgement finds empty."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="limbeck-fuzz-"))

    def close(self) -> None:
        shutil.rmtree(self.folder)

    def write(self, name: str, data: bytes) -> Path:
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        path = self.folder / name
        path.write_bytes(data)
        return path


def mutate_json(line: bytes, random: Random) -> bytes:
    """Return a line of JSON with one of its values replaced, taken out or put elsewhere."""
    if random.random() < 0.3:
        return mutate_bytes(line, random)
    tree = json.loads(line)
    key = random.choice(list(tree))
    match random.randrange(4):
        case 0:
            del tree[key]
        case 1:
            tree[random.choice(["kind", "x", "round", "metrics"])] = tree[key]
        case 2:
            tree[key] = "@"
            return json.dumps(tree).replace('"@"', random.choice(_JSON)).encode()
        case _:
            tree[key] = random.choice([None, -1, 2**70, 0.5, math.inf, "x", [], [1], {"a": "b"}, ["a", "b"], True])
    return json.dumps(tree).encode()


class ClientState(File):
    """The client's state file. The checksum in front of it is made to fit, three times in four."""

    name = "client-state"

    def __init__(self) -> None:
        super().__init__()
        learner = {"w": np.ones((2, 3), np.float32), "steps": np.array([5])}
        CheckpointFile(self.folder).save(Checkpoint(learner, UPLINK))
        self.seeds = [(self.folder / "state").read_bytes()]
        self._uplinks = UplinkHead()

    def draw(self, random: Random) -> bytes:
        content = self.seeds[0][32:]
        if random.random() < 0.5:
            content = mutate_bytes(content, random)
        else:
            tensors = load_tensors(content)
            tensors["uplink"] = np.frombuffer(self._uplinks.draw(random), np.uint8)
            content = save_tensors(tensors)
        fits = hashlib.sha256(content).digest()
        return (fits if random.random() < 0.75 else self.seeds[0][:32]) + content

    def judge(self, data: bytes) -> None:
        path = self.write("state", data)
        found = CheckpointFile(self.folder).load("test", OPEN_ROWS)
        if found is None:
            assert not path.exists()
            assert [each.read_bytes() for each in self.folder.iterdir()] == [data]
            raise DataError("set aside")
        assert hashlib.sha256(data[32:]).digest() == data[:32]
        assert found.uplink.federation_id == "test"
        assert parts_digest(found.uplink.parts) == found.uplink.digest
        assert all(isinstance(value, np.ndarray) for value in found.participant.values())


class ReleaseLedger(File):
    name = "release-log"

    def __init__(self) -> None:
        super().__init__()
        release_log = ReleaseLog(self.folder)
        release_log.write(describe(UPLINK))
        release_log.write(describe(Uplink("test", "a", 3, metrics={"loss": 0.1})))
        self.seeds = [release_log.file.read_bytes()]

    def draw(self, random: Random) -> bytes:
        first, second = self.seeds[0].splitlines()
        return mutate_json(first, random) + b"\n" + second + random.choice([b"\n", b""])

    def judge(self, data: bytes) -> None:
        path = self.write("release-log.jsonl", data)
        release_log = ReleaseLog(self.folder)
        for each in release_log.read():
            check_types(each)
        release_log.write(dataclasses.replace(describe(UPLINK), round=7))
        assert path.read_bytes().startswith(data)
        assert [each.round for each in release_log.read()][-1] == 7
        assert release_log.answered("test", (1, 7)) <= 2


def check_types(record: Any) -> None:
    """Check that each field of a dataclass holds what its annotation says."""
    for name, kind in typing.get_type_hints(type(record)).items():
        if typing.get_origin(kind) is not typing.ClassVar:
            _check_type(getattr(record, name), kind)


def _check_type(value: Any, kind: Any) -> None:
    wanted = [each for each in typing.get_args(kind) if each is not type(None)]
    match typing.get_origin(kind):
        case builtins.tuple:
            for each in value:
                check_types(each) if dataclasses.is_dataclass(wanted[0]) else _check_type(each, wanted[0])
        case builtins.dict:
            for key, each in value.items():
                _check_type(key, wanted[0])
                _check_type(each, wanted[1])
        case None:
            assert type(value) in ({int, float} if kind is float else {kind})
        case _:
            assert value is None or type(value) in {int, *wanted}


class Metrics(File):
    name = "metrics"

    def __init__(self) -> None:
        super().__init__()
        metrics = {"a": {"accuracy": 0.5}}
        append(
            self.folder,
            RoundRecord(round=1, seconds=1, uplinks=1, participants=2, bytes_up=3, bytes_down=4, clients=metrics),
        )
        append(self.folder, ServerRecord(round=1, accuracy=0.5, loss=1.0, seconds=1))
        append(self.folder, Summary(state="finished", seconds=3, bytes_counted="as encoded"))
        self.seeds = [(self.folder / FILE).read_bytes()]

    def draw(self, random: Random) -> bytes:
        lines = self.seeds[0].splitlines()
        which = random.randrange(len(lines))
        lines[which] = mutate_json(lines[which], random)
        return b"\n".join(lines) + random.choice([b"\n", b""])

    def judge(self, data: bytes) -> None:
        self.write(FILE, data)
        found = read(self.folder)
        numbers = [record.round for record in found.rounds]
        assert numbers == sorted(set(numbers))
        for record in found.rounds:
            assert min(record.round, record.uplinks, record.bytes_up, record.bytes_down) >= 0
            for metrics in record.clients.values():
                assert all(figure is None or math.isfinite(figure) for figure in metrics.values())
        assert found.summary is None or found.summary.seconds >= 0


class TokenLine(File):
    name = "token"

    def __init__(self) -> None:
        super().__init__()
        tls = TlsFolder(self.folder / "tls")
        tls.init(["127.0.0.1"])
        self._token = tls.new_token("edge", "client", 60, "host:1")
        self.seeds = [str(self._token).encode()]

    def draw(self, random: Random) -> bytes:
        if random.random() < 0.5:
            return super().draw(random)
        version, said, ca = self.seeds[0].split(b".")
        line = mutate_json(_decode(said), random)
        return b".".join([version, _encode(line), ca])

    def judge(self, data: bytes) -> None:
        token = read_token(data.decode("latin-1"))
        check_types(token)
        assert read_token(str(token)) == token
        assert isinstance(token, Token)


def _encode(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


_TOML = ["-1", "0", "1e999", "nan", "inf", '"x"', "[]", "true", "9" * 5000, "[" * 2000, "1979-05-27", '"\\u0000"', "{}"]


class Toml(File):
    """A configuration file of this reader's."""

    def __init__(self, name: str, text: str, reader: Callable[[Path], Any]) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc] # two files of one form
        self.seeds = [text.encode()]
        self._reader = reader

    def draw(self, random: Random) -> bytes:
        if random.random() < 0.4:
            return super().draw(random)
        lines = self.seeds[0].splitlines()
        which = random.randrange(len(lines))
        key, equals, _ = lines[which].partition(b"=")
        lines[which] = key + equals + random.choice(_TOML).encode()
        return b"\n".join(lines)

    def judge(self, data: bytes) -> None:
        found = self._reader(self.write("file.toml", data))
        assert type(found).model_validate(found.model_dump()) == found
        given = tomllib.loads(io.StringIO(data.decode(), newline=None).read())  # line ends as a text file is read
        assert set(given) <= set(type(found).model_fields)
        if isinstance(found, Settings):
            assert 0 <= found.listen.port <= 65535
            assert found.round.time.min <= found.round.time.max
            assert math.isfinite(found.round.time.min)
            assert found.limits.payload_bytes > 0


def settings_file() -> Toml:
    example = Path(__file__).parents[2] / "deploy" / "federation.toml"
    return Toml("settings", example.read_text(), lambda path: load(path, {}))


def policy_file() -> Toml:
    text = 'kinds = ["probabilities"]\nrows_per_round = 10\nconfidence = 0.9\nseconds = 5.0\n'
    return Toml("policy", text, read_policy)
