"""Where a client's work is done: the protocol `ClientRuntime`, and the client's own process behind it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from limbeck_client.privacy.finite import finite_metrics
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_common.core.errors import DataError
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.registry import make_method
from limbeck_common.runtime.local_round import local_round
from limbeck_common.runtime.make_data import make_data
from limbeck_common.runtime.make_participant import make_client
from limbeck_common.runtime.saved_model import save_model
from limbeck_common.support.disk import writing
from limbeck_common.wire.digest import parts_digest

_Result = TypeVar("_Result")
_log = structlog.get_logger()


class ClientRuntime(Protocol):
    """Holds a client's data and learner, and does its work."""

    async def open_digest(self, spec: Spec) -> bytes:
        """Load the data and return the digest of its open set; empty where it has none."""

    async def take_open_data(self, spec: Spec, content: bytes) -> bytes:
        """Take the open set that the server sent, and return its digest."""

    async def output_width(self, spec: Spec) -> int:
        """Return how many values the learner predicts per row; 0 where it cannot predict before it has trained."""

    async def resume(self, spec: Spec, federation_id: str) -> Uplink | None:
        """Go on from this federation's checkpoint, and return its uplink; None where there is no checkpoint."""

    async def local_round(self, spec: Spec, downlink: Downlink, epoch: int) -> Uplink:
        """Do one round's work, and write the checkpoint before this returns. `epoch` is the uplink's."""

    async def release(self, uplink: Uplink) -> bool | None:
        """Return whether an uplink may leave, having entered it in the release log; None: not decided yet."""


class InProcessRuntime:
    """The client's own process: work runs on a thread, so that the network stays alive beside it.

    The thread is not one of asyncio's, whose end asyncio awaits: a client that stops does not wait for its training.
    """

    def __init__(
        self, name: str, model: str, device: str, load_data: Callable[[Spec], ParticipantData], guard: ReleaseGuard
    ) -> None:
        self.name = name
        self._guard = guard
        self._model = model
        self._device = device
        self._load_data = load_data
        self._data: ParticipantData | None = None
        self._participant: Participant | None = None
        self._finished: Participant | None = None  # the participant, while it is as its last finished round left it
        self._joined: tuple[Spec, str] | None = None  # the federation's id, and its specification
        self._thread = ThreadPoolExecutor(1)

    async def open_digest(self, spec: Spec) -> bytes:
        """See `ClientRuntime`."""
        self._participant = self._finished = None
        self._guard.check_forms(spec)
        data = self._data = await self._offload(self._load_data, spec)
        return b"" if data.open is None else await self._offload(open_digest, data.open)

    async def take_open_data(self, spec: Spec, content: bytes) -> bytes:
        """See `ClientRuntime`."""
        rows = open_array(spec, content)
        self._data = replace(self._data or ParticipantData(), open=rows)
        return open_digest(rows)

    async def output_width(self, spec: Spec) -> int:
        """See `ClientRuntime`."""
        return await self._offload(self._output_width, spec)

    async def local_round(self, spec: Spec, downlink: Downlink, epoch: int) -> Uplink:
        """See `ClientRuntime`.

        Raises:
            UserCodeError: the learner raised, or its output is not finite.
            PolicyError: the work, or its result, is more than the owner allows.
        """
        return await self._offload(self._local_round, spec, downlink, epoch)

    async def release(self, uplink: Uplink) -> bool | None:
        """See `ClientRuntime`."""
        return await self._offload(self._guard.release, uplink)

    async def resume(self, spec: Spec, federation_id: str) -> Uplink | None:
        """See `ClientRuntime`."""
        return await self._offload(self._resume, spec, federation_id)

    def save(self, folder: Path) -> Path | None:
        """Write the learner as its last finished round left it, and return the file; None where there is none.

        Where a round was broken off, or still trains on its thread, this is the learner of the checkpoint.

        Raises:
            SettingsError: the folder cannot be written, or a library is missing.
            UserCodeError: the learner cannot be saved.
        """
        participant = self._finished or self._last_checkpoint()
        if participant is None:
            return None
        with writing(folder, "--out"):
            return save_model(participant, folder)

    async def _offload(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _output_width(self, spec: Spec) -> int:
        participant = self._open_participant(spec)
        try:
            return int(participant.learner.predict(participant.open_rows[:2]).shape[-1])
        except Exception as error:  # noqa: BLE001 - an untrained learner of any library may raise anything; a trained one must not
            _log.debug("the learner cannot predict before it has trained", client=self.name, why=str(error))
            return 0

    def _resume(self, spec: Spec, federation_id: str) -> Uplink | None:
        self._joined = spec, federation_id
        kept = self._guard.checkpoint(federation_id, spec.open_rows)
        if kept is None:
            return None
        participant = self._open_participant(spec)
        participant.load_state(kept.participant)
        self._finished = participant
        return kept.uplink

    def _local_round(self, spec: Spec, downlink: Downlink, epoch: int) -> Uplink:
        participant = self._open_participant(spec)
        self._guard.check_work(spec, downlink, epoch)
        self._finished = None
        done = local_round(make_method(spec.method), participant, downlink)
        digest = parts_digest(done.parts)
        uplink = Uplink(downlink.federation_id, self.name, downlink.round, done.parts, done.metrics, digest, epoch)
        uplink = replace(uplink, metrics=finite_metrics(uplink))
        uplink = self._guard.keep(participant.state(), uplink)
        if participant is self._participant:  # else the client has joined again, and goes on from the checkpoint
            self._finished = participant
        return uplink

    def _last_checkpoint(self) -> Participant | None:
        """Return a participant of its own, as the checkpoint has it: the other one may still be in training."""
        if self._joined is None or self._data is None:
            return None
        spec, federation_id = self._joined
        kept = self._guard.checkpoint(federation_id, spec.open_rows)
        if kept is None:
            return None
        participant = self._make_participant(spec, self._data)
        participant.load_state(kept.participant)
        return participant

    def _open_participant(self, spec: Spec) -> Participant:
        if self._participant is None:
            if self._data is None:
                raise DataError("no data was loaded", remedy="join first")
            self._participant = self._make_participant(spec, self._data)
        return self._participant

    def _make_participant(self, spec: Spec, data: ParticipantData) -> Participant:
        return make_client(spec, self.name, self._model, data, self._device)


def data_loader(source: str | None, part: int | None, root: Path | None) -> Callable[[Spec], ParticipantData]:
    """Return a function that loads this client's data once the federation's specification is known."""

    def load(spec: Spec) -> ParticipantData:
        if source is None and part is None and spec.data.dataset != "own":
            raise DataError(
                f"whose part of {spec.data.dataset} is this client's?",
                expected=f"--part 0 to --part {spec.data.parts - 1}, or data of your own",
                remedy="add --part K, or --data package.module:callable",
            )
        return make_data(source, spec, part, root)

    return load


def open_array(spec: Spec, content: bytes) -> NDArray[Any]:
    """Return the open set, shape [open_rows, *sample_shape], from the bytes that OpenData sends.

    Raises:
        DataError: there are too few bytes, or too many.
    """
    dtype, shape = np.dtype(spec.sample_dtype), (spec.open_rows, *spec.sample_shape)
    wanted = dtype.itemsize * int(np.prod(shape))
    if len(content) != wanted:
        raise DataError(f"the server sent {len(content)} bytes of open data", expected=f"{wanted}")
    return np.frombuffer(content, dtype).reshape(shape)
