"""The server's own model, in a worker process: training never shares an interpreter with the daemon's event loop."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from limbeck_common.core.errors import SetupError
from limbeck_common.core.messages import SERVER, Aggregate, Block
from limbeck_common.core.spec import Spec
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.named_blocks import write_blocks


@dataclass(frozen=True)
class WorkerServerModel:
    """The model `model`, as the participant "server" of a worker_process."""

    worker_process: WorkerProcess
    spec: Spec
    model: str

    async def learn(self, number: int, aggregate: Mapping[str, Block]) -> dict[str, float]:
        """Learn from what round `number` taught, and return the model's metrics on the server's test rows.

        Of several groups' aggregates it takes its own, else that of all, else that of its architecture, else the first.
        """
        block = aggregate.get(SERVER) or aggregate.get("") or aggregate.get(self.model) or aggregate[min(aggregate)]
        return (await self.worker_process.local_round(self.spec, SERVER, number + 1, block, wanted=None)).metrics

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Block]]) -> Aggregate:
        """Return round `number`'s aggregate as the method's `refine` betters it. The uplinks go over in a file each."""
        try:
            with tempfile.TemporaryDirectory(prefix="limbeck-") as folder:
                await asyncio.to_thread(_write_out, uplinks, Path(folder))
                return await self.worker_process.refine(self.spec, SERVER, number, aggregate, Path(folder))
        except OSError as error:
            raise SetupError(
                f"the uplinks of round {number} cannot be handed to the server's own model: {error.strerror or error}",
                remedy=f"make room in {tempfile.gettempdir()}, then start the daemon again",
            ) from error

    async def save(self, path: str) -> None:
        """Write the model to a safetensors file."""
        await self.worker_process.save(SERVER, Path(path))


def _write_out(uplinks: Iterator[tuple[str, Block]], folder: Path) -> None:
    for number, (_, block) in enumerate(uplinks):
        (folder / f"{number:09}").write_bytes(write_blocks({"": block}))
