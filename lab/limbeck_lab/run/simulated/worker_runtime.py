"""A runtime for each of the lab's clients, in a worker process."""

from collections.abc import Mapping
from pathlib import Path

from limbeck_common.core.errors import DataError
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.digest import parts_digest
from limbeck_lab.run.clients import Client
from limbeck_server.settings import Settings


class WorkerRuntime:
    """A client's runtime in a worker process: see `limbeck_client.runtime.ClientRuntime`."""

    def __init__(self, client: Client, worker_process: WorkerProcess, settings: Settings) -> None:
        self._client = client
        self._worker_process = worker_process
        self._settings = settings

    async def open_digest(self, spec: Spec) -> bytes:
        """See `ClientRuntime`."""
        return await self._worker_process.open(self._client.setup(spec, self._settings))

    async def take_open_data(self, spec: Spec, content: bytes) -> bytes:  # noqa: ARG002 - `ClientRuntime`'s signature
        """See `ClientRuntime`. Never asked for: the worker takes the rows where the server does."""
        raise DataError(f"{spec.data.dataset} has no open rows", expected="data with open rows")

    async def output_width(self, spec: Spec) -> int:
        """See `ClientRuntime`. The built-in models are made for the specification."""
        return spec.output.width

    async def resume(self, spec: Spec, federation_id: str) -> Uplink | None:  # noqa: ARG002 - `ClientRuntime`'s signature
        """See `ClientRuntime`. A simulation starts anew."""
        return None

    async def local_round(self, spec: Spec, downlink: Downlink, epoch: int) -> Uplink:
        """See `ClientRuntime`."""
        name = self._client.name
        done = await self._worker_process.local_round(spec, name, downlink)
        digest = parts_digest(done.parts)
        return Uplink(downlink.federation_id, name, downlink.round, done.parts, done.metrics, digest, epoch)

    async def release(self, uplink: Uplink) -> bool | None:  # noqa: ARG002 - `ClientRuntime`'s signature
        """See `ClientRuntime`. A simulated client has no owner to ask."""
        return True

    async def alone(self, spec: Spec) -> Mapping[str, float]:
        """Return the metrics of the same learner trained on its private rows alone, for as many local epochs."""
        return await self._worker_process.train_alone(self._client.setup(spec, self._settings))

    async def save(self, folder: Path) -> None:
        """Write the client's model to a folder."""
        await self._worker_process.save(self._client.name, folder)
