"""A worker that is lost starts again and becomes what it was; the cluster here is a few objects, not Ray's."""

from pathlib import Path
from typing import Any

import pytest

from limbeck_common.core.errors import SetupError, UserCodeError
from limbeck_common.runtime import requests
from limbeck_common.runtime.requests import Saved
from limbeck_lab.run.ray_workers import RayChannel, RayWorker, workers_on

ANSWER = requests.pack(Saved(), b"body")


class LostError(Exception):
    """The node is gone."""


class Method:
    """What an actor does, asked as Ray asks it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def remote(self, *arguments: Any) -> Any:
        return self._answer(*arguments)


class Actor:
    def __init__(self, life: int, failing: set[int]) -> None:
        self.served: list[bytes] = []
        self.exchange = Method(self._exchange)
        self.machine = Method(lambda: f"machine {life}")
        self.files = Method(lambda folder: {"model": folder.encode()})
        self._fails = life in failing

    def _exchange(self, message: bytes) -> bytes:
        if self._fails and message == b"third":
            raise LostError
        self.served.append(message)
        return ANSWER


class Cluster:
    lost = (LostError,)

    def __init__(self, failing: set[int]) -> None:
        self.actors: list[Actor] = []
        self.machines: list[str] = []
        self.killed: list[Any] = []
        self._failing = failing

    def new_actor(self) -> Actor:
        self.actors.append(Actor(len(self.actors) + 1, self._failing))
        return self.actors[-1]

    def check(self, machine: str) -> None:
        self.machines.append(machine)

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


async def test_a_lost_worker_does_its_work_again_elsewhere() -> None:
    cluster = Cluster(failing={1})
    channel = RayChannel(cluster)  # type: ignore[arg-type]
    for message in (b"first", b"second", b"third"):
        packed, body = await channel.exchange(message, "client-0")
        assert requests.ANSWERS.validate_json(packed) == Saved()
        assert body == b"body"
    assert [actor.served for actor in cluster.actors] == [[b"first", b"second"], [b"first", b"second", b"third"]]
    assert cluster.machines == ["machine 1", "machine 2"]
    await channel.close()
    assert cluster.killed == [cluster.actors[1]]


async def test_a_worker_that_dies_each_time_is_given_up() -> None:
    cluster = Cluster(failing={1, 2, 3, 4})
    channel = RayChannel(cluster)  # type: ignore[arg-type]
    with pytest.raises(UserCodeError, match="the worker that trains client-0 died 4 times"):
        await channel.exchange(b"third", "client-0")


async def test_what_a_worker_saved_comes_here_and_is_not_saved_again(tmp_path: Path) -> None:
    cluster = Cluster(failing=set())
    channel = RayChannel(cluster)  # type: ignore[arg-type]
    await channel.exchange(b"save", "client-0")
    await channel.fetch(tmp_path / "models")
    assert (tmp_path / "models" / "model").read_text() == str(tmp_path / "models")
    assert channel._served == []  # noqa: SLF001 - what a new worker would do again


def test_the_actor_answers_messages_as_a_worker_does_on_its_pipes(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    worker = RayWorker()
    assert worker.files(str(tmp_path)) == {"model": b"weights"}
    assert "Python 3" in worker.machine()


def test_an_engine_that_there_is_not() -> None:
    with pytest.raises(SetupError, match="expected local, ray or ray://HOST:PORT"), workers_on("spark", 2):
        pass
