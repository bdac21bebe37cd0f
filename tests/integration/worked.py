"""A store as a small federation leaves it: three clients, two rounds, a closing round; no network, no learner."""

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limbeck_common.config import MethodSpec, Spec
from limbeck_common.messages import Downlink, Ended, FileArray, Tensor, Uplink, soft_labels
from limbeck_common.methods.registry import make_method
from limbeck_common.wire.codec import block_digest
from limbeck_server.coordinator import Coordinator, Pupil
from limbeck_server.presence import Presence
from limbeck_server.round import Bounds, Machine
from limbeck_server.store import INLINE_BYTES, Store

CLIENTS = ("a", "b", "c")
ROUNDS = 3


def work(folder: Path, keep_rounds: int = 0, classes: int = 3, rows: int = 8, pupil: Pupil | None = None) -> None:
    """Run a federation of random predictions, which lie in files where they are large, and close its store."""
    spec = Spec(
        rounds=ROUNDS,
        classes=classes,
        sample_shape=(4,),
        sample_dtype="|u1",
        open_rows=2 * rows,
        method=MethodSpec(name="dsfl", options={"open_per_round": rows}),
    )
    store = Store(folder, keep_rounds)
    try:
        asyncio.run(_work(spec, store, pupil))
    finally:
        store.close()


async def _work(spec: Spec, store: Store, pupil: Pupil | None) -> None:
    bounds = Bounds(len(CLIENTS), len(CLIENTS), 0, 60)
    machine = Machine(spec.rounds, spec.seed, bounds, bounds)
    coordinator = Coordinator(spec, machine, make_method(spec.method), store, Presence(30), pupil)
    coordinator.recover("test")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(coordinator.run())
        for client in CLIENTS:
            tasks.create_task(_take_part(coordinator, client))


def _received(store: Store, values: NDArray[np.float32]) -> Tensor:
    """Return an uplink's values as they lie once they have come over the network."""
    if values.nbytes <= INLINE_BYTES:
        return values
    path = store.new_file(values.nbytes)
    values.tofile(path)
    return FileArray(path, 0, values.dtype, values.shape)


async def _take_part(coordinator: Coordinator, client: str) -> None:
    random = np.random.default_rng(list(client.encode()))
    await coordinator.join(client)
    number = 0
    while not isinstance(answer := await coordinator.pull(client, number, 10), Ended):
        if not isinstance(answer, Downlink):
            continue
        number, block = answer.round, None
        if answer.wanted is not None:
            values = random.dirichlet(np.ones(coordinator.spec.classes), len(answer.wanted)).astype(np.float32)
            block = soft_labels(answer.wanted, _received(coordinator.store, values))
        await coordinator.push(client, Uplink("test", client, number, block, {"loss": 0.5}, block_digest(block)))
