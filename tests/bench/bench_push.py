"""What the server spends on an uplink, beside a bare gRPC handler that throws the same bytes away.

`python tests/bench/bench_push.py [--clients 100] [--rounds 20] [--repeats 3] [--tls] [--profile]`

The daemon runs as its operator would run it: with a store on disk, receipts after the flush, DS-FL on 1,000 of 10,000
open rows. CPU is the server process's. `push`: while uplinks come; `round`: with pulls, downlinks and aggregation.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemons import certify, daemon, everybody
from push.load import name as name_of
from targets import add

HERE = Path(__file__).parent / "push"


Measured = dict[str, float]


@contextmanager
def bare(folder: Path, tls: Path | None, _clients: int, _rounds: int) -> Iterator[tuple[str, int]]:
    """Run the bare handler; yields its address and process."""
    address_file = folder / "bare"
    arguments = [sys.executable, str(HERE / "bare.py"), str(address_file), *([str(tls)] if tls else [])]
    with subprocess.Popen(arguments) as process:
        while not address_file.exists() or not address_file.read_text():
            time.sleep(0.05)
        try:
            yield address_file.read_text(), process.pid
        finally:
            process.kill()


@contextmanager
def limbeck(folder: Path, tls: Path | None, clients: int, rounds: int) -> Iterator[tuple[str, int]]:
    """Run limbeck's daemon; yields its address and process."""
    settings = {
        **everybody(clients, rounds + 1, tls),
        "open.digest": "ab" * 32,
        "open.rows": 10_000,
        "open.sample_shape": "[1]",
        "limits.connections": clients + 100,
        "log.level": "warning",
    }
    with daemon(folder / "store", settings) as (address, process):
        yield address, process.pid


def measure(kind: str, clients: int, rounds: int, *, tls: bool) -> Measured:
    """Return what the raw clients saw of one server, started for them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority, shown = (folder / "tls", folder / "clients") if tls else (None, None)
        if authority and shown:
            certify(authority, {name_of(number): shown / name_of(number) for number in range(clients)})
        start = bare if kind == "bare" else limbeck
        with start(folder, authority, clients, rounds) as (address, process):
            words = [
                address,
                process,
                clients,
                rounds,
                *(["--tls", shown] if shown else []),
                *["--bare"] * (kind == "bare"),
            ]
            load = [sys.executable, str(HERE / "load.py"), *map(str, words)]
            measured: Measured = json.loads(subprocess.run(load, check=True, stdout=subprocess.PIPE).stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[100])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    for clients in options.clients:
        rounds = max(3, options.rounds * 100 // max(100, clients))
        found: dict[str, list[Measured]] = {"bare": [], "limbeck": []}
        for _ in range(options.repeats):
            for kind, measured in found.items():
                measured.append(measure(kind, clients, rounds, tls=options.tls))
        best = {
            kind: {key: statistics.median(each[key] for each in measured) for key in measured[0]}
            for kind, measured in found.items()
        }
        ratios = [a["push_ms"] / b["push_ms"] for a, b in zip(found["limbeck"], found["bare"], strict=True)]
        ratio = statistics.median(ratios)
        transport = "mTLS" if options.tls else "plain text"
        add(
            f"server CPU per uplink, {clients} clients, {transport}, of a bare handler's",
            ratios,
            2.5 if options.tls else 2.0,
            "times",
        )
        waiting = [a["waiting_kb"] - b["waiting_kb"] for a, b in zip(found["limbeck"], found["bare"], strict=True)]
        add(f"memory per waiting client above a bare connection, {clients} clients, {transport}", waiting, 60, "kB")
        print(
            f"{clients:5} clients{', mTLS' if options.tls else ''}: push {best['limbeck']['push_ms']:.3f} ms of CPU, "
            f"bare {best['bare']['push_ms']:.3f} ms: {ratio:.2f} times; "
            f"whole round {best['limbeck']['round_ms']:.3f} ms per uplink, "
            f"{best['limbeck']['per_second']:.0f} uplinks per second (bare {best['bare']['per_second']:.0f}); "
            f"waiting client {best['limbeck']['waiting_kb']:.0f} kB (bare {best['bare']['waiting_kb']:.0f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
