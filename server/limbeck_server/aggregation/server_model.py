"""The server's own model, in a worker process: training never shares an interpreter with the daemon's event loop."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from limbeck_common.core.blocks import Parts
from limbeck_common.core.errors import SetupError
from limbeck_common.core.messages import ALL, SERVER, Aggregate, Downlink, architecture
from limbeck_common.core.spec import Spec
from limbeck_common.methods.method import merged
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.named_parts import write_named


@dataclass(frozen=True)
class WorkerServerModel:
    """The model `model`, as the participant "server" of a worker_process."""

    worker_process: WorkerProcess
    spec: Spec
    model: str

    async def learn(self, number: int, aggregates: Mapping[str, Parts]) -> dict[str, float]:
        """Learn from round `number`'s aggregate, given by audience, and return the model's metrics on its test rows."""
        mine = (aggregates.get(audience) for audience in (ALL, architecture(self.model), SERVER))
        downlink = Downlink("", number + 1, merged(mine))
        return (await self.worker_process.local_round(self.spec, SERVER, downlink)).metrics

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Parts]]) -> Aggregate:
        """Return round `number`'s aggregate, refined by the method's model. The uplinks go over in a file each."""
        try:
            with tempfile.TemporaryDirectory(prefix="limbeck-") as folder:
                await asyncio.to_thread(_write_out, uplinks, Path(folder))
                return await self.worker_process.refine(self.spec, SERVER, number, aggregate, Path(folder))
        except OSError as error:
            raise SetupError(
                f"the uplinks of round {number} cannot be handed to the server's own model: {error.strerror or error}",
                remedy=f"make room in {tempfile.gettempdir()}, then start the daemon again",
            ) from error

    async def save(self, folder: Path) -> None:
        """Write the model to a folder: see `limbeck_common.runtime.saved_model`."""
        await self.worker_process.save(SERVER, folder)


def _write_out(uplinks: Iterator[tuple[str, Parts]], folder: Path) -> None:
    for number, (client, parts) in enumerate(uplinks):
        (folder / f"{number:09}").write_bytes(write_named({client: parts}))
