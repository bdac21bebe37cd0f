"""The server's own model, in a worker process: training never shares an interpreter with the daemon's event loop."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from limbeck_common.core.messages import SERVER, Block, Downlink, Teaching
from limbeck_common.core.spec import Spec
from limbeck_common.runtime.worker_process import Workshop
from limbeck_common.wire.codec import encode_downlink, read_blocks, write_blocks, write_message


@dataclass(frozen=True)
class WorkshopPupil:
    """The model `model`, as the party "server" of a workshop."""

    workshop: Workshop
    spec: Spec
    model: str

    async def learn(self, number: int, teaching: Mapping[str, Block]) -> dict[str, float]:
        """Learn from what round `number` taught, and return the model's figures on the server's test rows.

        Of several groups' teachings it takes its own, else that of all, else that of its architecture, else the first.
        """
        block = teaching.get(SERVER) or teaching.get("") or teaching.get(self.model) or teaching[min(teaching)]
        body = write_message(*encode_downlink(Downlink(federation_id="", round=number + 1, teaching=block)))
        answer, _ = await self.workshop.order({"do": "visit", "party": SERVER}, body)
        figures: dict[str, float] = answer["metrics"]
        return figures

    async def refine(self, number: int, teaching: Teaching, uplinks: Iterator[tuple[str, Block]]) -> Teaching:
        """Return round `number`'s teaching as the method's `refine` betters it. The uplinks go over in a file each."""
        with tempfile.TemporaryDirectory(prefix="limbeck-") as folder:
            await asyncio.to_thread(_write_out, uplinks, Path(folder))
            order = {
                "do": "refine",
                "party": SERVER,
                "round": number,
                "uplinks": folder,
                "groups": dict(teaching.groups),
            }
            answer, body = await self.workshop.order(order, write_blocks(teaching.blocks))
        return Teaching(read_blocks(body, self.spec.open_rows), answer["groups"])

    async def save(self, path: str) -> None:
        """Write the model to a safetensors file."""
        await self.workshop.order({"do": "save", "party": SERVER, "path": path})


def _write_out(uplinks: Iterator[tuple[str, Block]], folder: Path) -> None:
    for number, (_, block) in enumerate(uplinks):
        (folder / f"{number:09}").write_bytes(write_blocks({"": block}))
