"""A store as a small federation leaves it: three clients, three rounds, a closing round; no network, no learner."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.arrays.file_array import FileArray
from limbeck_common.core.arrays.tensors import Tensor
from limbeck_common.core.blocks import Parts, Shapes, Space, parameters, soft_labels
from limbeck_common.core.messages import Downlink, Ended, Uplink
from limbeck_common.core.spec import MethodSpec, Output, Spec
from limbeck_common.methods.method import named_models
from limbeck_common.methods.registry import make_method
from limbeck_common.wire.digest import parts_digest
from limbeck_server.aggregation.server_model_trainer import ServerModel
from limbeck_server.federation import Federation
from limbeck_server.round.machine import Bounds, Machine
from limbeck_server.round.presence import Presence
from limbeck_server.storage.protocols import Store
from limbeck_server.storage.sqlite import INLINE_BYTES, SqliteStore

CLIENTS = ("a", "b", "c")
ROUNDS = 3
SHAPES: Shapes = {"w": (8, 3), "b": (3,)}


def specify(method: str, rows: int = 8, classes: int = 3, **options: object) -> Spec:
    return Spec(
        rounds=ROUNDS,
        output=Output(width=classes),
        sample_shape=(4,),
        sample_dtype="|u1",
        open_rows=2 * rows,
        method=MethodSpec(name=method, options=options),
    )


def work(
    folder: Path, keep_rounds: int = 0, classes: int = 3, rows: int = 8, server_model: ServerModel | None = None
) -> None:
    """Run a federation of random predictions, which lie in files where they are large, and close its store."""
    run(folder, specify("dsfl", rows, classes, open_per_round=rows), keep_rounds=keep_rounds, server_model=server_model)


def run(
    folder: Path,
    spec: Spec,
    clients: Collection[str] = CLIENTS,
    keep_rounds: int = 0,
    server_model: ServerModel | None = None,
) -> None:
    """Run or go on with a federation; to its end, or until all of `clients` have delivered where some are missing."""
    store = SqliteStore(folder)
    try:
        asyncio.run(_run(spec, store, clients, server_model, keep_rounds))
    finally:
        store.close()


async def _run(
    spec: Spec, store: SqliteStore, clients: Collection[str], server_model: ServerModel | None, keep_rounds: int
) -> None:
    bounds = Bounds(len(CLIENTS), len(CLIENTS), 0, 60)
    machine, method = Machine(spec.rounds, spec.seed, bounds, bounds), make_method(spec.method)
    architectures = dict.fromkeys(named_models(method, "cnn"), SHAPES)
    federation = Federation.assemble(
        spec,
        machine,
        store,
        method=method,
        architectures=architectures,
        server_model=server_model,
        presence=Presence(30),
        keep_rounds=keep_rounds,
        federation_id="test",
    )
    coordinator = federation.coordinator
    running = asyncio.create_task(coordinator.run())
    parts = [asyncio.create_task(_take_part(federation, client, works=client in clients)) for client in CLIENTS]
    async with asyncio.timeout(60):
        async for _ in coordinator.watch(0):
            if coordinator.state.delivered == set(clients) != set(CLIENTS):
                break
        else:
            await asyncio.gather(running, *parts)
    await coordinator.settled()  # what was delivered is in the store before the end
    for task in (running, *parts):
        task.cancel()
    await asyncio.gather(running, *parts, return_exceptions=True)


def _received(store: Store, values: NDArray[np.float32]) -> Tensor:
    """Return an uplink's values as they lie once they have come over the network."""
    if values.nbytes <= INLINE_BYTES:
        return values
    path = store.new_file(values.nbytes)
    values.tofile(path)
    return FileArray(path, 0, values.dtype, values.shape)


async def _take_part(federation: Federation, client: str, *, works: bool) -> None:
    await federation.membership.enter(client)
    number = 0
    while not isinstance(answer := await federation.downlinks.pull(client, number, 10), Ended):
        if not isinstance(answer, Downlink):
            continue
        number = answer.round
        if works:
            parts = contribution(federation.spec, federation.store, client, answer)
            await federation.admissions.push(Uplink("test", client, number, parts, {"loss": 0.5}, parts_digest(parts)))


def contribution(spec: Spec, store: Store, client: str, downlink: Downlink) -> Parts:
    """Return random values of the form that is asked for, the same for a client and a round whenever they are asked."""
    random = np.random.default_rng([*client.encode(), downlink.round])
    parts = {}
    for part, ask in (downlink.plan or {}).items():
        if ask.form.space is Space.PARAMETERS:
            values = {name: random.normal(size=shape) for name, shape in SHAPES.items()}
            parts[part] = parameters(values, 10 * ord(client))
        else:
            labels = random.dirichlet(np.ones(spec.output.width), len(ask.rows)).astype(np.float32)
            parts[part] = soft_labels(ask.rows, _received(store, labels))
    return parts
