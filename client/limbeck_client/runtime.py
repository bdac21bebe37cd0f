"""Where a client's work is done: the seam, and the client's own process behind it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_common.core.errors import DataError
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.learning.learner import Learner
from limbeck_common.learning.participant import Participant
from limbeck_common.methods.registry import learner_seed, make_method
from limbeck_common.runtime.local_round import local_round
from limbeck_common.runtime.make_data import make_data
from limbeck_common.runtime.make_learner import make_learner
from limbeck_common.support.disk import writing
from limbeck_common.wire.codec import block_digest

_Result = TypeVar("_Result")


class ClientRuntime(Protocol):
    """Holds a client's data and learner, and does its work."""

    async def open_digest(self, spec: Spec) -> bytes:
        """Load the data and return its open set's digest; empty where it has none."""

    async def take_open_data(self, spec: Spec, content: bytes) -> bytes:
        """Take the open set as the server sent it, and return its digest."""

    async def classes(self, spec: Spec) -> int:
        """Return how many classes the learner predicts; 0 where it cannot tell before it has trained."""

    async def resume(self, spec: Spec, federation_id: str) -> Uplink | None:
        """Go on from what was kept of this federation, and return the uplink of the last round worked on."""

    async def local_round(self, spec: Spec, downlink: Downlink) -> Uplink:
        """Do one round's work. What comes of it is kept before this returns."""

    async def release(self, uplink: Uplink) -> bool | None:
        """Return whether an uplink may leave, which is entered first; None while its owner has not said."""


class InProcessRuntime:
    """The client's own process: work runs on a thread, so that the network stays alive beside it.

    The thread is not asyncio's, which waits for its own at the end: a client that ends does not wait for the training.
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
        self._thread = ThreadPoolExecutor(1)

    async def open_digest(self, spec: Spec) -> bytes:
        """See `ClientRuntime`."""
        self._participant = None
        data = self._data = await self._offload(self._load_data, spec)
        return b"" if data.open is None else await self._offload(open_digest, data.open)

    async def take_open_data(self, spec: Spec, content: bytes) -> bytes:
        """See `ClientRuntime`."""
        rows = open_array(spec, content)
        self._data = replace(self._data or ParticipantData(), open=rows)
        return open_digest(rows)

    async def classes(self, spec: Spec) -> int:
        """See `ClientRuntime`."""
        return await self._offload(self._classes, spec)

    async def local_round(self, spec: Spec, downlink: Downlink) -> Uplink:
        """See `ClientRuntime`."""
        return await self._offload(self._local_round, spec, downlink)

    async def release(self, uplink: Uplink) -> bool | None:
        """See `ClientRuntime`."""
        return await self._offload(self._guard.release, uplink)

    async def resume(self, spec: Spec, federation_id: str) -> Uplink | None:
        """See `ClientRuntime`."""
        return await self._offload(self._resume, spec, federation_id)

    def save(self, folder: Path) -> Path | None:
        """Write the learner's state as it is now to `folder`; nothing where it never worked."""
        from safetensors.numpy import save_file  # noqa: PLC0415 - at the end only

        if self._participant is None:
            return None
        path = folder / "model.safetensors"
        with writing(folder, "--out"):
            save_file(self._participant.models(), path)
        return path

    async def _offload(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _classes(self, spec: Spec) -> int:
        participant = self._open_participant(spec)
        try:
            return int(participant.learner.predict(participant.open_rows[:2]).shape[1])
        except Exception:  # noqa: BLE001 - some learners cannot predict before they have trained
            return 0

    def _resume(self, spec: Spec, federation_id: str) -> Uplink | None:
        kept = self._guard.kept(federation_id, spec.open_rows)
        if kept is None:
            return None
        self._open_participant(spec).load_state(kept.participant)
        return kept.uplink

    def _local_round(self, spec: Spec, downlink: Downlink) -> Uplink:
        participant = self._open_participant(spec)
        self._guard.check_work(spec, downlink)
        method, number = make_method(spec.method), downlink.round
        done = local_round(method, participant, number, downlink.aggregate, downlink.wanted)
        digest = block_digest(done.contribution)
        uplink = Uplink(downlink.federation_id, self.name, number, done.contribution, done.metrics, digest)
        self._guard.keep(participant.state(), uplink)
        return uplink

    def _open_participant(self, spec: Spec) -> Participant:
        if self._participant is None:
            if self._data is None:
                raise DataError("no data was loaded", remedy="join first")

            def build(model: str) -> Learner:
                return make_learner(model or self._model, spec, learner_seed(spec, self.name), self._device)

            self._participant = Participant(spec, build(""), self._data, build)
        return self._participant


def data_loader(source: str | None, part: int | None, root: Path | None) -> Callable[[Spec], ParticipantData]:
    """Return a function that loads this client's data once the federation's specification is known."""

    def load(spec: Spec) -> ParticipantData:
        if source is None and part is None and spec.data.dataset != "own":
            raise DataError(
                f"whose part of {spec.data.dataset} is this client's?",
                expected=f"--part 0 to --part {spec.data.parts - 1}, or data of your own",
                remedy="add --part K, or --data package.module:callable",
            )
        data = make_data(source, spec, part, root)
        if data.private is None:
            raise DataError(
                "the data has no private rows",
                expected="a ParticipantData with private examples",
                remedy="name your data: --data package.module:callable",
            )
        return data

    return load


def open_array(spec: Spec, content: bytes) -> NDArray[Any]:
    """Return the open set, shape [open_rows, *sample_shape], from the bytes that OpenData sends.

    Raises:
        DataError: there are too few or too many.
    """
    dtype, shape = np.dtype(spec.sample_dtype), (spec.open_rows, *spec.sample_shape)
    wanted = dtype.itemsize * int(np.prod(shape))
    if len(content) != wanted:
        raise DataError(f"the server sent {len(content)} bytes of open data", expected=f"{wanted}")
    return np.frombuffer(content, dtype).reshape(shape)
