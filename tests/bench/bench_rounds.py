"""Seconds of a round in which nobody trains, each client a process of its own, beside Flower's old loop.

`python tests/bench/bench_rounds.py [--clients 10 50] [--rounds 30] [--repeats 3]`

DS-FL on 1,000 of 10,000 open rows, ten classes: once with mTLS and the journal, once with neither. Flower gets an
environment of its own in runs/flower. Its clients send as many numbers.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from targets import add

from limbeck_common.security.certificates import new_key, signing_request
from limbeck_server.events import Opened, from_json
from limbeck_server.pki.authority import sign_request
from limbeck_server.pki.folder import TlsFolder
from limbeck_server.storage.sqlite_reader import SqliteReader

HERE = Path(__file__).parent
LIMIT = 600.0  # seconds of a run
PORT = 39_211
ENVIRONMENT = Path("runs/flower")


@contextmanager
def started(programs: list[list[str]], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start programs, their output in `folder`; kill what still runs at the end."""
    path = os.environ | {"PYTHONPATH": str(HERE / "rounds")}
    running = []
    try:
        for program in programs:
            number = len(list(folder.glob("*.log")))
            with (folder / f"{number:03}.log").open("wb") as log:
                running.append(subprocess.Popen(program, stdout=log, stderr=log, env=path))
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def limbeck(clients: int, rounds: int, *, off: bool) -> float:
    """Return the median seconds from a round's opening to the next; `off` leaves out mTLS and the journal."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {
            "federation.rounds": rounds,
            "method.options.open_per_round": 1000,
            "open.source": "trivial:data",
            "output.width": 10,
            "lobby.count.min": clients,
            "lobby.count.max": clients,
            "round.count.min": clients,
            "model.name": "none",
        }
        flags = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        tls = ["--set", "tls.mode=off"] if off else ["--set", f"tls.folder={folder / 'tls'}"]
        program = [str(HERE / "rounds" / "daemon.py")] if off else ["-m", "limbeck_server.cli.main"]
        names = [f"client-{number:02}" for number in range(clients)]
        if not off:
            certify(folder, names)
        store = folder / "store"
        server = [sys.executable, *program, "run", "--port", str(PORT), "--store", str(store), *flags, *tls]
        if not off:
            server += ["--set", "tls.enrol_port=0"]
        model = ["--model", "trivial:learner", "--data", "trivial:data"]
        join = [sys.executable, "-m", "limbeck_client.cli.main", "join", f"127.0.0.1:{PORT}", *model]
        members = [
            [*join, "--name", each, "--part", str(number), "--state", str(folder / each)]
            for number, each in enumerate(names)
        ]
        with started([server], folder) as running:
            until_it_listens(running[0], folder / "000.log")
            with started(members, folder) as joined:
                for process in [*joined, *running]:
                    check(process.wait(LIMIT), folder)
            opened = json.loads((folder / "000.log").read_text().splitlines()[-1]) if off else openings(store)
    return statistics.median(later - earlier for earlier, later in itertools.pairwise(opened[2:]))


def until_it_listens(server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server says its address."""
    while "listening on" not in log.read_text():
        if (status := server.poll()) is not None:
            check(status or 1, log.parent)
        time.sleep(0.05)


def check(status: int, folder: Path) -> None:
    """Stop the bench with the ends of the server's and a client's log if a process has failed."""
    if status != 0:
        ends = "\n".join(log.read_text()[-2000:] for log in sorted(folder.glob("*.log"))[:2])
        raise SystemExit(f"a process failed:\n{ends}")


def openings(store: Path) -> list[float]:
    """Return when each round of a journal opened."""
    with closing(SqliteReader(store)) as reader:
        facts = [from_json(line) for _, line, _ in reader.facts()]
    return [fact.at for fact in facts if isinstance(fact, Opened)]


def certify(folder: Path, names: list[str]) -> None:
    """Make an authority in `folder`/tls, and each client's credentials in its state folder."""
    tls = TlsFolder(folder / "tls")
    tls.init(["127.0.0.1"])
    with tls.registry() as registry:
        for name in names:
            key, credentials = new_key(), folder / name / "credentials"
            certificate = sign_request(tls.ca(), signing_request(key, name), name, "client")
            registry.enter(certificate)
            credentials.mkdir(parents=True)
            for file, content in (("key.pem", key), ("certificate.pem", certificate), ("ca.pem", tls.ca().certificate)):
                (credentials / file).write_bytes(content)
                (credentials / file).chmod(0o600)


def flower(clients: int, rounds: int) -> float:
    """Return the median seconds of a round of Flower's old loop."""
    python, loop, address = flower_python(), str(HERE / "flower" / "loop.py"), f"127.0.0.1:{PORT + 1}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with started([[python, loop, "server", address, str(clients), str(rounds)]], folder) as servers:
            time.sleep(5)  # a client that finds no server takes long to try again
            with started([[python, loop, "client", address]] * clients, folder):
                servers[0].wait(LIMIT)
        lines = (folder / "000.log").read_text().splitlines()
        seconds: list[float] = json.loads(next(line for line in reversed(lines) if line.startswith("[")))
    return statistics.median(seconds[2:])


def flower_python() -> str:
    """Return Flower's Python, after making its environment if there is none."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        uv, listed = Path(sys.executable).with_name("uv"), HERE / "flower" / "requirements.txt"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "-r", listed], check=True)
    return str(python.absolute())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    for clients in given.clients:
        runs: dict[str, Callable[[int, int], Any]] = {
            "Flower's loop": flower,
            "mTLS, journal": lambda *sizes: limbeck(*sizes, off=False),
            "neither": lambda *sizes: limbeck(*sizes, off=True),
        }
        found: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.repeats):
            for name, run in runs.items():
                found[name].append(run(clients, given.rounds))
                print(f"{clients:3} clients, {name:14} {found[name][-1] * 1000:8.1f} ms a round", flush=True)
        for name, target in (("mTLS, journal", 2.0), ("neither", 1.0)):
            ratios = [ours / theirs for ours, theirs in zip(found[name], found["Flower's loop"], strict=True)]
            add(f"a round of {clients} clients, {name}, of Flower's old loop's", ratios, target, "times")
            print(f"{clients:3} clients, {name}: {statistics.median(ratios):.2f} times Flower's old loop", flush=True)


if __name__ == "__main__":
    main()
