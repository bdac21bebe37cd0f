"""The demo's metrics over three seeds, simulated (the same bits as the demo's processes): what does federating bring?

`python tests/bench/bench_digits.py [--seeds 0 1 2]`
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from limbeck_lab.results.metrics_file import read
from limbeck_lab.results.records import Summary
from limbeck_lab.run.demo import MODELS


def simulate(seed: int) -> Summary:
    """Run the demo's federation with one seed."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "limbeck_lab.cli.main", "simulate", "--seed", str(seed), "--run-dir", str(run)]
        command += [word for model in MODELS for word in ("--model", model)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        summary = read(run).summary
    if summary is None:
        raise SystemExit(f"seed {seed} left no summary")
    return summary


def main() -> None:
    """Run each seed and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    gains, servers = [], []
    for seed in parser.parse_args().seeds:
        summary = simulate(seed)
        alone = statistics.mean(client.alone or 0.0 for client in summary.clients)
        federated = statistics.mean(client.federated or 0.0 for client in summary.clients)
        gains.append(100 * (federated - alone))
        servers.append(100 * (summary.server_accuracy or 0.0))
        print(
            f"seed {seed}: clients alone {100 * alone:.1f} %, with the federation {100 * federated:.1f} % "
            f"({gains[-1]:+.1f} points), server's model {servers[-1]:.1f} %, {summary.seconds:.0f} s",
            flush=True,
        )
    print(f"median: gain {statistics.median(gains):+.1f} points, server's model {statistics.median(servers):.1f} %")


if __name__ == "__main__":
    main()
