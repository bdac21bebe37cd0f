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

from targets import add

from limbeck_common.security.certificates import new_key, signing_request
from limbeck_server.pki.authority import sign_request
from limbeck_server.pki.folder import TlsFolder

HERE = Path(__file__).parent / "push"


Measured = dict[str, float]


def certify(folder: Path, clients: int) -> Path:
    """Make an authority in `folder`/tls, and a certificate for each client; return the folder of the latter."""
    tls = TlsFolder(folder / "tls")
    tls.init(["127.0.0.1"])
    made = folder / "clients"
    made.mkdir()
    (made / "ca.pem").write_bytes(tls.ca().certificate)
    key = new_key()
    with tls.registry() as registry:
        for number in range(clients):
            name = f"client-{number:05}"
            certificate = sign_request(tls.ca(), signing_request(key, name), name, "client")
            registry.enter(certificate)
            (made / f"{name}.key").write_bytes(key)
            (made / f"{name}.pem").write_bytes(certificate)
    return made


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
def daemon(folder: Path, tls: Path | None, clients: int, rounds: int) -> Iterator[tuple[str, int]]:
    """Run limbeck's daemon; yields its address and process."""
    settings = {
        "federation.rounds": rounds + 1,
        "method.options.open_per_round": 1000,
        "open.digest": "ab" * 32,
        "open.rows": 10_000,
        "open.sample_shape": "[1]",
        "output.width": 10,
        "lobby.count.min": clients,
        "lobby.count.max": clients,
        "round.count.min": clients,
        "model.name": "none",
        "limits.connections": clients + 100,
        "log.level": "warning",
    }
    flags = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    where = ["--set", f"tls.folder={tls}", "--set", "tls.enrol_port=0"] if tls else ["--set", "tls.mode=off"]
    program = [sys.executable, "-m", "limbeck_server.cli.main", "run", "--port", "0", "--store", str(folder / "store")]
    with subprocess.Popen([*program, *flags, *where], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.kill()


def measure(kind: str, clients: int, rounds: int, *, tls: bool) -> Measured:
    """Return what the raw clients saw of one server, started for them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shown = certify(folder, clients) if tls else None
        start = bare if kind == "bare" else daemon
        with start(folder, folder / "tls" if tls else None, clients, rounds) as (address, process):
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
