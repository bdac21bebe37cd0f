"""The other end of a worker: sends requests and waits for the answers, over pipes or otherwise."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from limbeck_common.core.blocks import Shapes
from limbeck_common.core.errors import UserCodeError
from limbeck_common.core.messages import Aggregate, Downlink
from limbeck_common.core.spec import Spec
from limbeck_common.runtime import requests
from limbeck_common.runtime.local_round import LocalResult
from limbeck_common.runtime.requests import Answer, Request, Setup
from limbeck_common.wire.codec import encode_downlink, write_message
from limbeck_common.wire.named_parts import read_named, write_named

_Answer = TypeVar("_Answer", bound=Answer)


class Channel(Protocol):
    """The way to one worker, wherever it runs. One request is under way at a time."""

    async def exchange(self, message: bytes, whom: str) -> tuple[bytes, bytes]:
        """Send what `requests.pack` made, on behalf of `whom`; return the answer's JSON and its body.

        Raises:
            UserCodeError: the worker died.
        """

    async def fetch(self, folder: Path) -> None:
        """Bring here what the worker wrote to a folder, where it does not share this machine's disk."""

    async def close(self) -> None:
        """End the worker, whatever it is doing."""


class WorkerProcess:
    """One worker, by default in a process of its own that starts with the first request.

    It serves requests one at a time, in the order of the calls. Every method raises UserCodeError if the request fails
    or the worker dies.
    """

    def __init__(self, channel: Channel | None = None) -> None:
        self._channel = channel or Pipe()
        self._turn = asyncio.Lock()

    async def open(self, setup: Setup) -> bytes:
        """Make a participant, and return its open set's digest."""
        answer, _ = await self._ask(setup.participant, requests.Open(setup=setup), requests.Opened)
        return answer.open_digest

    async def local_round(self, spec: Spec, participant: str, downlink: Downlink) -> LocalResult:
        """Do an open participant's part of a round; see `limbeck_common.runtime.local_round`."""
        body = write_message(*encode_downlink(downlink))
        request = requests.LocalRound(participant=participant)
        answer, content = await self._ask(participant, request, requests.Contributed, body)
        return LocalResult(read_named(content, spec.open_rows, spec.output.width)[participant], answer.metrics)

    async def refine(self, spec: Spec, participant: str, number: int, aggregate: Aggregate, uplinks: Path) -> Aggregate:
        """Return round `number`'s aggregate, refined by an open participant's model; see `Refines`.

        `uplinks` is a folder of files that `write_named` wrote, one per client.
        """
        request = requests.Refine(participant=participant, round=number, uplinks=uplinks, moves=dict(aggregate.moves))
        answer, content = await self._ask(participant, request, requests.Refined, write_named(aggregate.blocks))
        return Aggregate(read_named(content, spec.open_rows, spec.output.width), answer.moves)

    async def parameter_shapes(self, spec: Spec, model: str) -> Shapes:
        """Return the shape that each of a model's parameters has in a block."""
        answer, _ = await self._ask(f"model {model}", requests.Shapes(spec=spec, model=model), requests.Shaped)
        return answer.shapes

    async def train_alone(self, setup: Setup) -> Mapping[str, float]:
        """Return the metrics of a participant that trains on its private rows alone for as many rounds."""
        answer, _ = await self._ask(setup.participant, requests.TrainAlone(setup=setup), requests.Measured)
        return answer.metrics

    async def save(self, participant: str, folder: Path) -> None:
        """Write an open participant's models to a folder."""
        await self._ask(participant, requests.Save(participant=participant, folder=folder), requests.Saved)
        await self._channel.fetch(folder)

    async def close(self) -> None:
        """End the worker, whatever it is doing."""
        await self._channel.close()

    async def _ask(self, whom: str, request: Request, kind: type[_Answer], body: bytes = b"") -> tuple[_Answer, bytes]:
        async with self._turn:
            packed, content = await self._channel.exchange(requests.pack(request, body), whom)
        answer = requests.ANSWERS.validate_json(packed)
        if isinstance(answer, requests.Failed):
            raise UserCodeError(answer.error)
        if not isinstance(answer, kind):
            raise TypeError(f"a worker answered {request.do} with {answer.did}")
        return answer, content


class Pipe:
    """The pipes of a process on this machine, which starts with the first request."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._given_up = False  # a request was cancelled, and its answer may still be in the pipe

    async def exchange(self, message: bytes, whom: str) -> tuple[bytes, bytes]:
        """See `Channel`."""
        process = self._process = self._process or await _start()
        try:
            if self._given_up:
                raise ConnectionError
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("a worker always has pipes")
            process.stdin.write(message)
            await process.stdin.drain()
            length, size = requests.LENGTHS.unpack(await process.stdout.readexactly(requests.LENGTHS.size))
            return await process.stdout.readexactly(length), await process.stdout.readexactly(size)
        except asyncio.CancelledError:
            self._given_up = True
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError) as error:  # uvloop: a closed handler
            code = await process.wait()
            raise UserCodeError(
                f"the worker that trains {whom} died with exit status {code}",
                remedy="its last words stand above; running out of memory is the usual cause",
            ) from error

    async def fetch(self, folder: Path) -> None:
        """Do nothing: it is the same disk."""

    async def close(self) -> None:
        """See `Channel`."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.kill()
        await self._process.wait()


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "limbeck_common.runtime.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # finds what this process can import
        start_new_session=True,  # Ctrl-C is for the owner, which ends the worker in its own time
    )
