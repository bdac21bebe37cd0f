"""Performs the agent's effects and tells it what happened."""

import asyncio
import time

import structlog
from pydantic import ValidationError

from limbeck_client import agent as machine
from limbeck_client.backoff import wait
from limbeck_client.runtime import ClientRuntime
from limbeck_client.transport import Transport
from limbeck_common.core.errors import EndedError, LimbeckError, OpenSetError, StreamError, UnreachableError
from limbeck_common.core.messages import Ended, Invitation, Receipt
from limbeck_common.core.spec import Spec

_log = structlog.get_logger()


class Runner:
    """One client, from its first Join to the federation's end."""

    def __init__(self, name: str, transport: Transport, runtime: ClientRuntime, patience: float = 3600.0) -> None:
        self.name = name
        self._transport = transport
        self._runtime = runtime
        self._agent = machine.Agent(patience=patience)
        self._events: asyncio.Queue[machine.Event | Exception] = asyncio.Queue()
        self._spec: Spec | None = None

    async def run(self) -> Ended:
        """Take part until the federation ends, and return how it ended.

        Raises:
            LimbeckError: what kept this client from taking part; EndedError where the federation failed.
        """
        tasks: set[asyncio.Task[None]] = set()
        event: machine.Event | Exception = machine.Started()
        try:
            while True:
                if isinstance(event, Exception):
                    raise event
                self._agent, effects = machine.step(self._agent, event)
                for effect in effects:
                    if isinstance(effect, machine.Stop):
                        return self._finish(effect)
                    task = asyncio.create_task(self._perform(effect))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                event = await self._events.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _perform(self, effect: machine.Effect) -> None:
        began = time.monotonic()
        event: machine.Event
        try:
            event = await self._do(effect)
        except LimbeckError as error:
            event = machine.Failed(effect, error, time.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - a bug of ours: `run` raises it
            self._events.put_nowait(error)
            return
        self._events.put_nowait(event)

    async def _do(self, effect: machine.Effect) -> machine.Event:
        match effect:
            case machine.Join(attempts):
                await wait(attempts, self.name)
                return await self._join()
            case machine.Pull(federation_id, after, learned, attempts):
                await wait(attempts, self.name)
                rows = self._spec.open_rows if self._spec else 0
                return machine.Pulled(await self._transport.pull(federation_id, self.name, after, learned, rows))
            case machine.Work(downlink):
                if self._spec is None:
                    raise RuntimeError("work before joining")
                _log.info("working", client=self.name, round=downlink.round, closing=downlink.closing)
                return machine.Worked(await self._runtime.local_round(self._spec, downlink))
            case machine.AwaitRelease(uplink, pause):
                await asyncio.sleep(pause)
                return machine.Decided(uplink, await self._runtime.release(uplink))
            case machine.Push(uplink, attempts):
                await wait(attempts, self.name)
                receipt = await self._transport.push(uplink)
                metrics = {name: round(value, 4) for name, value in uplink.metrics.items()}
                level = "info" if receipt is not Receipt.LATE else "warning"
                getattr(_log, level)("pushed", client=self.name, round=uplink.round, receipt=receipt, **metrics)
                return machine.Pushed(receipt)
            case _:
                raise TypeError(f"no such effect: {effect}")

    async def _join(self) -> machine.Joined:
        """Learn the specification, get the data ready, and become a member with the open set's digest."""
        invitation = await self._transport.join(self.name, b"", 0)
        spec = _read_spec(invitation.spec_json)
        digest = await self._runtime.open_digest(spec)
        if not digest:
            digest = await self._fetch(spec, invitation)
        self._spec = spec
        joined = await self._transport.join(self.name, digest, await self._runtime.classes(spec))
        _log.info("joined", client=self.name, federation=spec.name, method=spec.method.name, rounds=spec.rounds)
        kept = await self._runtime.resume(spec, joined.federation_id)
        if kept is not None:
            _log.info("going on from the kept state", client=self.name, round=kept.round)
        return machine.Joined(joined, kept)

    async def _fetch(self, spec: Spec, invitation: Invitation) -> bytes:
        """Fetch the open set, taking up a broken stream where it broke."""
        content = bytearray()
        _log.info("fetching the open data", client=self.name, bytes=invitation.open_data_size)
        while True:
            before = len(content)
            try:
                async for chunk in self._transport.open_data(invitation.federation_id, before):
                    content += chunk
                break
            except UnreachableError:
                if len(content) == before:  # no progress: the agent's backoff decides
                    raise
        found = await self._runtime.take_open_data(spec, bytes(content))
        if found != invitation.open_digest:
            raise OpenSetError("the open data was damaged on its way", remedy="join again")
        return found

    def _finish(self, stop: machine.Stop) -> Ended:
        if stop.error is not None:
            raise stop.error
        ended = stop.ended or Ended("failed", "no reason given")
        if ended.state != "finished":
            raise EndedError(f"the federation {ended.state}: {ended.reason}", remedy="ask its operator")
        return ended


def _read_spec(text: str) -> Spec:
    try:
        return Spec.model_validate_json(text)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"])) or "it"
        raise StreamError(
            f"the server's specification cannot be used: {key}: {error.errors()[0]['msg']}",
            expected="a limbeck server of this version",
        ) from error
