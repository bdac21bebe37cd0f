"""A client in JavaScript beside two in Python, in several methods, killed once: `make interop`."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from limbeck_common.core.messages import ALL
from limbeck_common.core.spec import DataSpec
from limbeck_common.datasets.registry import load_participant
from limbeck_server.events import Aggregated
from limbeck_server.storage.sqlite import SqliteStore

HERE = Path(__file__).parent
PRIVATE, OPEN, PARTS = 300, 100, 3
SETTINGS = {
    "federation.rounds": "4",
    "data.parts": f"{PARTS}",
    "data.open": f"{OPEN}",
    "data.private": f"{PRIVATE}",
    "data.alpha": "5",
    "recipe.fit.epochs": "2",
    "recipe.distill.epochs": "2",
    "lobby.count.min": "3",
    "lobby.count.max": "3",
    "round.count.min": "3",
}
METHODS = {
    "dsfl": {"method.options.open_per_round": "60", "model.name": "none"},
    "dsfl, half": {"method.options.half": "true", "model.name": "none"},
    "dsfl, top 3": {"method.options.top": "3", "model.name": "none"},
    "cfd, 1 bit": {"method.name": "cfd", "model.name": "mlp"},
    "cfd, 4 bits": {"method.name": "cfd", "method.options.bits_up": "4", "model.name": "mlp"},
    "fd": {"method.name": "fd", "model.name": "none"},
}
SECONDS = 120


def python(folder: Path, name: str, *words: str, **streams: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *words]
    with (folder / f"{name}.log").open("a") as log:
        return subprocess.Popen(command, stderr=log, text=True, cwd=folder, **streams)  # type: ignore[call-overload,no-any-return]


def node(folder: Path, address: str) -> int:
    words = [
        "node",
        str(HERE / "client.mjs"),
        address,
        str(folder / "private.json"),
        str(folder / "state.json"),
        "--die",
    ]
    with (folder / "node.log").open("a") as log:
        return subprocess.run(words, stdout=log, stderr=log, timeout=SECONDS, check=False).returncode


def printed(folder: Path, word: str) -> list[str]:
    """Return the last words of the lines that Node's client began with `word`, each once, in order."""
    lines = (folder / "node.log").read_text().splitlines()
    return list(dict.fromkeys(line.split()[-1] for line in lines if line.startswith(word)))


def made(folder: Path, method: str) -> list[str]:
    """Return what the server made of each round: the digest of its aggregate; for cfd, of the labels in it."""
    store = SqliteStore(folder / "store")
    try:
        rounds = [fact for fact in store.facts() if isinstance(fact, Aggregated)]
        if not method.startswith("cfd"):
            return [fact.digest if isinstance(fact.digest, str) else fact.digest.hex() for fact in rounds]
        parts = [store.aggregate(fact.round, ALL) for fact in rounds]
        return [sha256(np.asarray(each["labels"].array[:], "<f4").tobytes()).hexdigest() for each in parts if each]
    finally:
        store.close()


def federate(folder: Path, method: str, settings: dict[str, str]) -> str:
    """Run one federation, and return what went wrong."""
    private = load_participant(DataSpec(parts=PARTS, open=OPEN, private=PRIVATE, alpha=5), 0, 2).private
    if private is None:
        raise RuntimeError("a client has private rows")
    rows = {"x": private.x.reshape(len(private.x), -1).tolist(), "y": private.y.tolist()}
    (folder / "private.json").write_text(json.dumps(rows))
    words = [word for key, value in (SETTINGS | settings).items() for word in ("--set", f"{key}={value}")]
    server = python(
        folder,
        "server",
        "limbeck_server.cli.main",
        "run",
        "--port",
        "0",
        *words,
        "--store",
        "store",
        stdout=subprocess.PIPE,
    )
    if server.stdout is None:
        raise RuntimeError("standard output is a pipe")
    address = server.stdout.readline().split()[-1]
    join = ["limbeck_client.cli.main", "join", address, "--model", "mlp"]
    clients = [
        python(folder, f"client-{part}", *join, "--name", f"client-{part}", "--part", f"{part}") for part in (0, 1)
    ]
    try:
        killed, status = node(folder, address), node(folder, address)
        others = [each.wait(SECONDS) for each in (*clients, server)]
    except subprocess.TimeoutExpired as error:
        return f"{error.cmd[1]} took longer than {SECONDS} s"
    finally:
        for each in (*clients, server):
            each.kill()
    if (killed, status, others) != (-9, 0, [0, 0, 0]):
        return f"statuses {killed}, {status}, {others}; expected -9, 0 and zeros"
    found, wanted = printed(folder, "labels" if method.startswith("cfd") else "aggregate"), made(folder, method)
    return "" if found == wanted else f"aggregates {found}; the server made {wanted}"


def main() -> int:
    failed = subprocess.run(["node", str(HERE / "vectors.mjs")], check=False).returncode != 0
    for method, settings in METHODS.items():
        with TemporaryDirectory() as folder:
            wrong = federate(Path(folder), method, settings)
            verdict = (
                f"FAILED  {method}: {wrong}" if wrong else f"passed  {method}: killed once; all aggregates the same"
            )
            print(verdict)
            if wrong:
                failed = True
                print((Path(folder) / "node.log").read_text())
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
