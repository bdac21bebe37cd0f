"""Performs the agent's effects and reports to it what happened."""

import asyncio
import time

import structlog
from pydantic import ValidationError

from limbeck_client import agent as machine
from limbeck_client.backoff import persist, wait
from limbeck_client.retry import is_transient
from limbeck_client.runtime import ClientRuntime
from limbeck_client.transport import Member, Transport
from limbeck_common.core.errors import BehindError, EndedError, LimbeckError, OpenSetError, StreamError
from limbeck_common.core.messages import Downlink, Ended, Idle, Invitation, Receipt, Uplink
from limbeck_common.core.spec import Spec

_log = structlog.get_logger()


class Runner:
    """One client, from its first Join to the end of the federation.

    `patience`: seconds after which a call that keeps failing is given up, and the client with it.
    """

    def __init__(self, name: str, transport: Transport, runtime: ClientRuntime, patience: float = 3600.0) -> None:
        self.name = name
        self._transport = transport
        self._runtime = runtime
        self._patience = patience
        self._agent = machine.Agent(patience=patience)
        self._reports: asyncio.Queue[machine.Event | BaseException] = asyncio.Queue()
        self._tasks: set[asyncio.Task[machine.Event | None]] = set()
        self._spec: Spec | None = None
        self._idle_phase = ""

    async def run(self) -> Ended:
        """Take part until the federation ends, and return how it ended.

        Raises:
            LimbeckError: what kept this client from taking part; EndedError where the federation failed or was stopped.
        """
        report: machine.Event | BaseException = machine.Started()
        try:
            while True:
                if isinstance(report, BaseException):  # a bug of ours, not a failed call
                    raise report
                self._agent, effects = machine.step(self._agent, report)
                for effect in effects:
                    if isinstance(effect, machine.Stop):
                        return _finish(effect)
                    self._start(effect)
                report = await self._reports.get()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, effect: machine.Effect) -> None:
        task = asyncio.create_task(self._perform(effect))
        self._tasks.add(task)
        task.add_done_callback(self._report)

    def _report(self, task: asyncio.Task[machine.Event | None]) -> None:
        self._tasks.discard(task)
        report = None if task.cancelled() else task.exception() or task.result()
        if report is not None:
            self._reports.put_nowait(report)

    async def _perform(self, effect: machine.Effect) -> machine.Event | None:
        began = time.monotonic()
        try:
            return await self._do(effect)
        except LimbeckError as error:
            if isinstance(effect, machine.Decline) and not is_transient(error):
                _log.warning("not declined", client=self.name, round=effect.round, why=str(error))
            return machine.Failed(effect, error, time.monotonic() - began)

    async def _do(self, effect: machine.Effect) -> machine.Event | None:
        match effect:
            case machine.Join() | machine.Pull() | machine.Push() | machine.Decline():
                await wait(effect.attempts, self.name)
                return await self._call(effect)
            case machine.Work(downlink, epoch):
                if self._spec is None:
                    raise RuntimeError("work before joining")
                _log.info("working", client=self.name, round=downlink.round, closing=downlink.closing)
                return machine.Worked(await self._runtime.local_round(self._spec, downlink, epoch))
            case machine.AwaitRelease(uplink, pause):
                await asyncio.sleep(pause)
                leaves = await self._runtime.release(uplink)
                if leaves is False:
                    _log.warning("kept back: its owner refused it", client=self.name, round=uplink.round)
                return machine.Decided(uplink, leaves)
            case machine.ReportRestore(epoch, number):
                _log.warning(
                    "the server was restored from a backup: rounds are counted from its round on",
                    client=self.name,
                    epoch=epoch,
                    last_round_here=number,
                )
                return None
            case _:
                raise TypeError(f"no such effect: {effect}")

    async def _call(self, effect: machine.Join | machine.Pull | machine.Push | machine.Decline) -> machine.Event:
        match effect:
            case machine.Join():
                return await self._join()
            case machine.Pull(federation_id, epoch, after, learned):
                member = Member(federation_id, epoch, self.name)
                rows = self._spec.open_rows if self._spec else 0
                answer = await self._transport.pull(member, after, learned, rows)
                self._show(answer)
                return machine.Pulled(answer)
            case machine.Push(uplink):
                return machine.Pushed(await self._push(uplink))
            case machine.Decline(federation_id, epoch, number):
                await self._transport.decline(Member(federation_id, epoch, self.name), number)
                _log.info("declined: the round does not wait for this client", client=self.name, round=number)
                return machine.DeclineTaken()

    def _show(self, answer: Downlink | Idle | Ended) -> None:
        """Log once what the server waits for, so that a client that has nothing to do says why."""
        if isinstance(answer, Idle) and answer.phase != self._idle_phase:
            _log.info("waiting for a round", client=self.name, phase=answer.phase, round=answer.round)
        self._idle_phase = answer.phase if isinstance(answer, Idle) else ""

    async def _join(self) -> machine.Joined:
        """Fetch the specification, get the data ready, and become a member with the open set's digest."""
        invitation = await self._transport.join(self.name, b"", 0)
        spec = _read_spec(invitation.spec_json)
        digest = await self._runtime.open_digest(spec)
        if not digest:
            digest = await self._fetch(spec, invitation)
        self._spec = spec
        joined = await self._transport.join(self.name, digest, await self._runtime.output_width(spec))
        kept = await self._runtime.resume(spec, joined.federation_id)
        self._check_epoch(joined, kept)
        _log.info("joined", client=self.name, federation=spec.name, method=spec.method.name, rounds=spec.rounds)
        if kept is not None:
            _log.info("going on from the checkpoint", client=self.name, round=kept.round)
        return machine.Joined(joined, kept)

    def _check_epoch(self, joined: Invitation, kept: Uplink | None) -> None:
        same = self._agent.federation_id == joined.federation_id
        known = max(self._agent.epoch if same else 0, 0 if kept is None else kept.epoch)
        if joined.epoch < known:  # a later Join may meet the right store
            raise BehindError(
                f"the server's store is of epoch {joined.epoch}, this client has worked in epoch {known}",
                expected="a store that is no older than its clients",
            )

    async def _fetch(self, spec: Spec, invitation: Invitation) -> bytes:
        """Fetch the open set, taking up a broken stream where it broke, and return its digest."""
        content = bytearray()
        _log.info("fetching the open data", client=self.name, bytes=invitation.open_data_size)

        async def rest() -> None:
            async for chunk in self._transport.open_data(invitation.federation_id, len(content)):
                content.extend(chunk)

        await persist(rest, self.name, self._patience, progress=lambda: len(content))
        found = await self._runtime.take_open_data(spec, bytes(content))
        if found != invitation.open_digest:
            raise OpenSetError("the open data was damaged on its way", remedy="join again")
        return found

    async def _push(self, uplink: Uplink) -> Receipt:
        receipt = await self._transport.push(uplink)
        metrics = {name: round(value, 4) for name, value in uplink.metrics.items()}
        log = _log.warning if receipt is Receipt.LATE else _log.info
        log("pushed", client=self.name, round=uplink.round, receipt=receipt, **metrics)
        return receipt


def _finish(stop: machine.Stop) -> Ended:
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
