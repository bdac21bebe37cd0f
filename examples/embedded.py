"""A server and two clients inside one program, over a real connection.

    python examples/embedded.py

The same calls put a server into your own service, or a client into your own application.
"""

import asyncio
from pathlib import Path

import limbeck

SETTINGS = {
    "federation.rounds": 2,
    "data.parts": 2,
    "data.open": 200,
    "listen.port": 0,  # any free one
    "lobby.count.min": 2,
    "lobby.count.max": 2,
    "round.count.min": 2,
    "model.name": "none",
    "store.path": "embedded/store",
}


async def main() -> None:
    """Run a federation to its end."""
    async with limbeck.serve(SETTINGS) as server:
        print(f"the server listens on {server.address}")
        clients = [
            limbeck.ClientSettings(server.address, name, model="mlp", part=part, state=Path("embedded") / name)
            for part, name in enumerate(("ward-7", "ward-8"))
        ]
        await asyncio.gather(*(limbeck.join(client) for client in clients))
        state = await server.ended()
    print(f"{state.phase}: {state.reason}")


if __name__ == "__main__":
    asyncio.run(main())
