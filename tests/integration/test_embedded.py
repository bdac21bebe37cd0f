"""A server and two clients in one process, by `limbeck.serve` and `limbeck.join`."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from support.tiny import data as _data  # noqa: F401 - named in the clients' settings

import limbeck

SETTINGS = {
    "listen.port": 0,
    "tls.insecure": True,
    "federation.rounds": 1,
    "lobby.count.min": 2,
    "lobby.count.max": 2,
    "round.count.min": 2,
    "open.source": "support.tiny:data",
    "output.width": 3,
    "model.name": "none",
    "method.options.open_per_round": 20,
}


@pytest.fixture(autouse=True)
def unset_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


async def test_a_federation_lives_in_one_process(tmp_path: Path) -> None:
    said: list[str] = []
    async with limbeck.serve(SETTINGS | {"store.path": str(tmp_path / "store")}) as server:
        clients = [
            limbeck.ClientSettings(
                server.address, name, "support.tiny:learner", "support.tiny:data", part, state=tmp_path / name
            )
            for part, name in enumerate(["a", "b"])
        ]
        ends = await asyncio.gather(*(limbeck.join(client, said.append) for client in clients))
        state = await server.ended()
    assert [end.state for end in ends] == ["finished", "finished"]
    assert state.phase.ended
    assert sorted(said) == [f"final model: {tmp_path / name / 'model' / 'model.safetensors'}" for name in ("a", "b")]
    assert limbeck.load_model(tmp_path / "a" / "model").card.model == "support.tiny:learner"


async def test_a_server_is_parked_at_the_end_of_its_block_and_goes_on(tmp_path: Path) -> None:
    settings = SETTINGS | {"store.path": str(tmp_path / "store")}
    for _ in range(2):
        async with limbeck.serve(settings) as server:
            assert server.coordinator.state.round == 0
    assert not server.coordinator.state.phase.ended
