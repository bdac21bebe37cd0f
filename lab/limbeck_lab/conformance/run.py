"""A trial from its start to its verdict: a server, a client of ours beside the one on trial, and the proxy between."""

import asyncio
import contextlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from limbeck_common.core.errors import SetupError
from limbeck_common.core.kinds import Kind
from limbeck_common.wire.v1.federation_pb2_grpc import add_FederationServicer_to_server
from limbeck_lab.conformance.proxy import Proxy
from limbeck_lab.conformance.trial import ROUNDS, Trial
from limbeck_lab.run.processes.program import Program

ADDRESS = "{address}"
_SETTINGS = {
    "federation.rounds": ROUNDS,
    "data.parts": 2,
    "data.open": 100,
    "data.private": 300,
    "lobby.count.min": 2,
    "lobby.count.max": 2,
    "round.count.min": 1,
    "round.time.max": 600,  # the trial's own limit ends it sooner
    "model.name": "none",
}


@dataclass
class Subject:
    """The client on trial: a command, and the process that runs it. It has the trial's address in place of ADDRESS."""

    command: Sequence[str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    _runs: asyncio.Event = field(default_factory=asyncio.Event)  # cleared while it is killed to be started again

    async def start(self) -> None:
        """Start the command.

        Raises:
            SetupError: it cannot be started.
        """
        with self.log.open("ab") as sink:
            try:
                self.process = await asyncio.create_subprocess_exec(*self.command, stdout=sink, stderr=sink)
            except OSError as error:
                raise SetupError(f"cannot start {shlex.join(self.command)}: {error}") from error
        self._runs.set()

    async def restart(self) -> None:
        """Kill the process, and start the command again."""
        self._runs.clear()
        await self.kill()
        await self.start()

    async def kill(self) -> None:
        """Kill the process, if it lives."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    async def status(self) -> int:
        """Return the status with which the process has ended by itself."""
        while True:
            await self._runs.wait()
            watched = self.process
            if watched is None:
                raise RuntimeError("the client was never started")
            status = await watched.wait()
            if self._runs.is_set() and watched is self.process:
                return status


async def try_client(command: Sequence[str], settings: Sequence[str], seconds: float, log: Path) -> Trial:
    """Put a client through all situations, within so many seconds, and return how it did.

    `command` starts the client, and holds "{address}"; `settings` are the server's, as `--set` takes them. What the
    client prints goes to `log`.

    Raises:
        SetupError: the server or the command cannot be started.
    """
    trial = Trial()
    with TemporaryDirectory() as folder:
        server, address = await _start_server(Path(folder), settings)
        proxy_server = grpc.aio.server()
        proxy_address = f"127.0.0.1:{proxy_server.add_insecure_port('127.0.0.1:0')}"
        subject = Subject([word.replace(ADDRESS, proxy_address) for word in command], log)
        peer = await _start_peer(Path(folder), address)
        async with grpc.aio.insecure_channel(address) as channel:
            add_FederationServicer_to_server(Proxy(channel, trial, subject.restart), proxy_server)
            await proxy_server.start()
            try:
                await subject.start()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        trial.ended(await subject.status())
            finally:
                await subject.kill()
                await proxy_server.stop(grace=None)
                await asyncio.gather(peer.stop(), server.stop())
    return trial


async def _start_server(folder: Path, settings: Sequence[str]) -> tuple[Program, str]:
    words = ["run", "--port", "0", "--store", str(folder / "store"), "--set", f"tls.folder={folder / 'tls'}"]
    for setting in (*(f"{key}={value}" for key, value in _SETTINGS.items()), *settings):
        words += ["--set", setting]
    server = await Program.start("the server", "limbeck_server.cli.main", words, folder / "server.log")
    line = await server.first_line()
    return server, line.split()[-1]


async def _start_peer(folder: Path, address: str) -> Program:
    words = ["join", address, "--name", "peer", "--part", "1", "--model", "mlp", "--state", str(folder / "peer")]
    (folder / "policy.toml").write_text(f"kinds = {json.dumps(list(Kind))}\nkey_weights = true\n")
    words += ["--out", str(folder / "out"), "--policy", str(folder / "policy.toml")]
    return await Program.start("the peer", "limbeck_client.cli.main", words, folder / "peer.log")
