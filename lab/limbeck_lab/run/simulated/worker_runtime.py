"""A runtime for each of the lab's clients, in a worker process."""

from dataclasses import replace
from pathlib import Path

from limbeck_common.core.errors import DataError
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.codec import decode_uplink, encode_downlink, read_message, write_message
from limbeck_common.wire.v1 import federation_pb2
from limbeck_lab.run.clients import Client


class WorkerRuntime:
    """A client's runtime in a worker process: see `limbeck_client.runtime.ClientRuntime`."""

    def __init__(self, client: Client, worker_process: WorkerProcess, device: str, data_dir: Path | None) -> None:
        self._client = client
        self._worker_process = worker_process
        self._device = device
        self._data_dir = data_dir

    async def open_digest(self, spec: Spec) -> bytes:
        """See `ClientRuntime`."""
        answer, _ = await self._worker_process.order(
            self._client.order(spec, self._device, self._data_dir) | {"do": "open"}
        )
        return bytes.fromhex(answer["open_digest"])

    async def take_open_data(self, spec: Spec, content: bytes) -> bytes:  # noqa: ARG002 - `ClientRuntime`'s signature
        """See `ClientRuntime`. Never asked for: the built-in data sets have open rows."""
        raise DataError(f"{spec.data.dataset} has no open rows", expected="a built-in data set")

    async def classes(self, spec: Spec) -> int:
        """See `ClientRuntime`. The built-in models are made for the specification."""
        return spec.classes

    async def resume(self, spec: Spec, federation_id: str) -> Uplink | None:  # noqa: ARG002 - `ClientRuntime`'s signature
        """See `ClientRuntime`. A simulation starts anew."""
        return None

    async def local_round(self, spec: Spec, downlink: Downlink, epoch: int) -> Uplink:
        """See `ClientRuntime`."""
        body = write_message(*encode_downlink(downlink))
        _, answer = await self._worker_process.order({"do": "local_round", "participant": self._client.name}, body)
        uplink = decode_uplink(*read_message(answer, federation_pb2.Uplink()), spec.open_rows)
        return replace(uplink, epoch=epoch)

    async def release(self, uplink: Uplink) -> bool | None:  # noqa: ARG002 - `ClientRuntime`'s signature
        """See `ClientRuntime`. A simulated client has no owner to ask."""
        return True

    async def alone(self, spec: Spec) -> dict[str, float]:
        """Return the metrics of the same learner trained on its private rows alone, for as many local epochs."""
        order = self._client.order(spec, self._device, self._data_dir) | {"do": "alone"}
        metrics: dict[str, float] = (await self._worker_process.order(order))[0]["metrics"]
        return metrics

    async def save(self, path: Path) -> None:
        """Write the learner's state to a safetensors file."""
        await self._worker_process.order({"do": "save", "participant": self._client.name, "path": str(path)})
