"""Workers on a Ray cluster: each is an actor, and only bytes and text cross to it and back.

A worker whose node is lost starts again on another, and does its clients' rounds once more from the first: the same
seeds give the same bits, so nobody else sees a difference but the time.
"""

import contextlib
import io
import logging
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from limbeck_common.core.errors import SetupError, UserCodeError
from limbeck_common.runtime import requests
from limbeck_common.runtime.worker import Worker, serve_one
from limbeck_common.runtime.worker_process import WorkerProcess

_LIVES = 4  # of one worker: what kills it more often is no lost node
_log = structlog.get_logger()


class RayWorker:
    """The actor: a worker, asked with messages as on its pipes."""

    def __init__(self) -> None:
        self._worker = Worker()

    def exchange(self, message: bytes) -> bytes:
        """Return the answer to a message that `requests.pack` made, as one more such message."""
        answers = io.BytesIO()
        serve_one(self._worker, io.BytesIO(message), answers)
        return answers.getvalue()

    def machine(self) -> str:
        """Return what decides whether two machines compute the same bits."""
        return f"{platform.machine()} {_processor()}, Python {platform.python_version()}"

    def files(self, folder: str) -> dict[str, bytes]:
        """Return the files in a folder of this machine, by name."""
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


class RayChannel:
    """The way to one actor; see `limbeck_common.runtime.worker_process.Channel`."""

    def __init__(self, cluster: "RayCluster") -> None:
        self._cluster = cluster
        self._actor: Any = None
        self._served: list[bytes] = []  # what has made the worker what it is
        self._lives = 0

    async def exchange(self, message: bytes, whom: str) -> tuple[bytes, bytes]:
        """See `Channel`."""
        while True:
            try:
                if self._actor is None:
                    await self._start()
                answer = io.BytesIO(await self._actor.exchange.remote(message))
                break
            except self._cluster.lost as error:
                self._actor = None
                if self._lives == _LIVES:
                    raise UserCodeError(
                        f"the worker that trains {whom} died {_LIVES} times",
                        remedy="see Ray's logs; running out of memory is the usual cause",
                    ) from error
                again = len(self._served)
                _log.warning("a worker was lost; it starts again elsewhere", trains=whom, requests_again=again)
        self._served.append(message)
        length, size = requests.LENGTHS.unpack(answer.read(requests.LENGTHS.size))
        return answer.read(length), answer.read(size)

    async def fetch(self, folder: Path) -> None:
        """See `Channel`."""
        self._served.pop()  # it changed nothing in the worker
        _write(folder, await self._actor.files.remote(str(folder)))

    async def close(self) -> None:
        """See `Channel`."""
        if self._actor is not None:
            self._cluster.kill(self._actor)

    async def _start(self) -> None:
        self._lives += 1
        self._actor = self._cluster.new_actor()
        self._cluster.check(await self._actor.machine.remote())
        for message in self._served:
            await self._actor.exchange.remote(message)


class RayCluster:
    """A connection to a cluster: at `address`, HOST:PORT, or one of this machine's own where that is empty."""

    def __init__(self, address: str, workers: int) -> None:
        try:
            import ray  # noqa: PLC0415 - an extra, and slow to import
        except ImportError as error:
            raise SetupError("Ray is not installed", remedy="pip install 'limbeck[ray]'") from error
        self._ray: Any = ray
        self.lost = (ray.exceptions.RayActorError, ray.exceptions.NodeDiedError)
        self._machine = ""
        own = {"include_dashboard": False, "num_cpus": max(workers, os.cpu_count() or 1)}
        where: dict[str, Any] = {"address": address} if address else own
        try:
            self._ray.init(**where, log_to_driver=False, logging_level=logging.ERROR, namespace="limbeck")
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:200]
            raise SetupError(
                f"no Ray cluster at {address or 'this machine'}: {said}",
                expected="ray://HOST:PORT as `ray start --head` prints it, from a machine of the cluster",
            ) from error
        gpus = self._ray.cluster_resources().get("GPU", 0.0)
        share = min(1.0, gpus / workers) if gpus else 0.0
        paths = {"env_vars": {"PYTHONPATH": os.pathsep.join(each or str(Path.cwd()) for each in sys.path)}}
        self._actor = self._ray.remote(RayWorker).options(
            num_cpus=1, num_gpus=share, scheduling_strategy="SPREAD", max_restarts=0, runtime_env=paths
        )

    def new_actor(self) -> Any:
        """Start a worker on some node."""
        return self._actor.remote()

    def kill(self, actor: Any) -> None:
        """End a worker, whatever it is doing."""
        self._ray.kill(actor)

    def check(self, machine: str) -> None:
        """Warn where a worker runs on another type of machine than the one before: their bits may differ."""
        if self._machine and machine != self._machine:
            _log.warning("machines differ, so the same seeds may give other bits", one=self._machine, other=machine)
        elif not self._machine:
            _log.info("workers on Ray", machine=machine)
        self._machine = machine

    def close(self) -> None:
        """Leave the cluster, or end it where it is this process's own."""
        self._ray.shutdown()


@contextlib.contextmanager
def workers_on(engine: str, count: int) -> Iterator[list[WorkerProcess]]:
    """Yield the workers of an engine: `local`, `ray`, or `ray://HOST:PORT`. Nothing is started before it is asked.

    Raises:
        SetupError: there is no such engine, or it cannot be reached.
    """
    if engine == "local":
        yield [WorkerProcess() for _ in range(count)]
        return
    kind, _, address = engine.partition("://")
    if kind != "ray":
        raise SetupError(f"engine {engine!r}", expected="local, ray or ray://HOST:PORT")
    cluster = RayCluster(address, count)
    try:
        yield [WorkerProcess(RayChannel(cluster)) for _ in range(count)]
    finally:
        cluster.close()


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
