"""Seconds of a round in which nobody trains, each client a process of its own, beside Flower's old loop.

`python tests/bench/bench_rounds.py [--clients 10 50] [--rounds 30] [--repeats 3]`

DS-FL on 1,000 of 10,000 open rows, ten classes: once with mTLS and the journal, once with neither. Flower gets an
environment of its own in runs/flower, and its clients send as many numbers. A round of limbeck's runs from its opening
to the next one's; a round of Flower's ends with its aggregate.
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
from functools import partial
from pathlib import Path

from daemons import LIMBECK_SERVER, certify, daemon, everybody
from targets import add

from limbeck_server.events import Opened, from_json
from limbeck_server.storage.sqlite_reader import SqliteReader

HERE = Path(__file__).parent
LIMIT = 600.0  # seconds of a run
FLOWER_PORT = 39_212
ENVIRONMENT = Path("runs/flower")


@contextmanager
def started(programs: list[list[str]], folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Start programs, their output in `folder` as 000.log and so on; kill what still runs at the end."""
    running = []
    try:
        for number, program in enumerate(programs):
            with (folder / f"{number:03}.log").open("w") as log:
                running.append(subprocess.Popen(program, stdout=log, stderr=log, text=True, env=path()))
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def path() -> dict[str, str]:
    """Return an environment in which `trivial` is found."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE / "rounds"), os.environ.get("PYTHONPATH", "")])}


def limbeck(clients: int, rounds: int, *, off: bool) -> float:
    """Return the median seconds from a round's opening to the next; `off` leaves out mTLS and the journal."""
    with tempfile.TemporaryDirectory() as name, (Path(name) / "daemon.log").open("w") as log:
        folder = Path(name)
        homes = {f"client-{number:02}": folder / f"client-{number:02}" for number in range(clients)}
        store, tls = folder / "store", None if off else folder / "tls"
        program = (str(HERE / "rounds" / "daemon.py"),) if off else LIMBECK_SERVER
        if tls:
            certify(tls, {each: home / "credentials" for each, home in homes.items()})
        settings = everybody(clients, rounds, tls) | {"open.source": "trivial:data"}
        with daemon(store, settings, program, log, path()) as (address, server):
            join = [sys.executable, "-m", "limbeck_client.cli.main", "join", address]
            join += ["--model", "trivial:learner", "--data", "trivial:data"]
            members = [
                [*join, "--name", each, "--part", str(number), "--state", str(home)]
                for number, (each, home) in enumerate(homes.items())
            ]
            with started(members, folder) as joined:
                for process in (server, *joined):  # the daemon first: clients would wait for one that has failed
                    check(process.wait(LIMIT), folder)
                said, _ = server.communicate()
        opened: list[float] = json.loads(said.splitlines()[-1]) if off else openings(store)
    return statistics.median(later - earlier for earlier, later in itertools.pairwise(opened[2:]))


def check(status: int, folder: Path) -> None:
    """Stop the bench with the ends of the logs of the server and of one client if a process has failed."""
    if status != 0:
        ends = "\n".join(log.read_text()[-2000:] for log in sorted(folder.glob("*.log"), reverse=True)[:2])
        raise SystemExit(f"a process failed:\n{ends}")


def openings(store: Path) -> list[float]:
    """Return when each round of a journal opened."""
    with closing(SqliteReader(store)) as reader:
        facts = [from_json(line) for _, line, _ in reader.facts()]
    return [fact.at for fact in facts if isinstance(fact, Opened)]


def flower(clients: int, rounds: int) -> float:
    """Return the median seconds of a round of Flower's old loop."""
    python, loop, address = flower_python(), str(HERE / "flower" / "loop.py"), f"127.0.0.1:{FLOWER_PORT}"
    with tempfile.TemporaryDirectory() as name:
        folder, theirs = Path(name), Path(name) / "clients"
        theirs.mkdir()
        with started([[python, loop, "server", address, str(clients), str(rounds)]], folder) as servers:
            time.sleep(5)  # a client that finds no server takes long to try again
            with started([[python, loop, "client", address]] * clients, theirs):
                check(servers[0].wait(LIMIT), folder)
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
        runs: dict[str, Callable[[int, int], float]] = {
            "Flower's loop": flower,
            "mTLS, journal": partial(limbeck, off=False),
            "neither": partial(limbeck, off=True),
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
