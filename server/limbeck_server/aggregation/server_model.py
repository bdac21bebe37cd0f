"""The server's own model, in a worker process: training never shares an interpreter with the daemon's event loop."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from limbeck_common.core.messages import SERVER, Aggregate, Block, Downlink
from limbeck_common.core.spec import Spec
from limbeck_common.runtime.worker_process import WorkerProcess
from limbeck_common.wire.codec import encode_downlink, read_blocks, write_blocks, write_message


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
        body = write_message(*encode_downlink(Downlink(federation_id="", round=number + 1, aggregate=block)))
        answer, _ = await self.worker_process.order({"do": "local_round", "participant": SERVER}, body)
        metrics: dict[str, float] = answer["metrics"]
        return metrics

    async def refine(self, number: int, aggregate: Aggregate, uplinks: Iterator[tuple[str, Block]]) -> Aggregate:
        """Return round `number`'s aggregate as the method's `refine` betters it. The uplinks go over in a file each."""
        with tempfile.TemporaryDirectory(prefix="limbeck-") as folder:
            await asyncio.to_thread(_write_out, uplinks, Path(folder))
            order = {
                "do": "refine",
                "participant": SERVER,
                "round": number,
                "uplinks": folder,
                "groups": dict(aggregate.groups),
            }
            answer, body = await self.worker_process.order(order, write_blocks(aggregate.blocks))
        return Aggregate(read_blocks(body, self.spec.open_rows), answer["groups"])

    async def save(self, path: str) -> None:
        """Write the model to a safetensors file."""
        await self.worker_process.order({"do": "save", "participant": SERVER, "path": path})


def _write_out(uplinks: Iterator[tuple[str, Block]], folder: Path) -> None:
    for number, (_, block) in enumerate(uplinks):
        (folder / f"{number:09}").write_bytes(write_blocks({"": block}))
