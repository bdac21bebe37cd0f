"""The same DS-FL run on limbeck and on BlazeFL, one after the other on this machine: accuracy by round, seconds, ratio.

BlazeFL 3.0.0a1 wants Python 3.13 and an environment of its own; tests/bench/blazefl/requirements.txt lists it:

    uv venv --python 3.13 /tmp/blazefl
    VIRTUAL_ENV=/tmp/blazefl uv pip install -r tests/bench/blazefl/requirements.txt
    LIMBECK_DATA=... python tests/bench/versus_blazefl.py --blazefl /tmp/blazefl/bin/python --rounds 10

Both train 10 clients on 20,000 MNIST images, Dirichlet 0.5, in two processes of one torch thread. A round's seconds run
from its opening to its aggregate; BlazeFL's hold its server's distillation too, limbeck's runs beside the next round.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from limbeck_lab.results.metrics_file import read

HERE = Path(__file__).parent


def limbeck(rounds: int, seed: int) -> tuple[list[float], list[float]]:
    """Return seconds and server accuracy by round."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "limbeck_lab.cli.main", "simulate", "--config", str(HERE / "mnist.toml")]
        command += [
            "--clients",
            "10",
            "--no-alone",
            "--rounds",
            str(rounds),
            "--seed",
            str(seed),
            "--run-dir",
            str(run),
            "--set",
            "recipe.distill.shuffle=false",  # as BlazeFL's example
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
        results = read(run)
    seconds = [each.seconds for each in results.rounds]
    # What the server's model learns last is on nobody's critical path, but a whole run's seconds must hold it.
    seconds[-1] += results.server[-1].seconds
    return seconds, [each.accuracy or 0.0 for each in results.server]


def blazefl(python: str, rounds: int, seed: int) -> tuple[list[float], list[float]]:
    """Return seconds and server accuracy by round."""
    command = [python, str(HERE / "blazefl" / "dsfl.py"), "--rounds", str(rounds), "--seed", str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    results = json.loads(done.stdout)["rounds"]
    return [each["seconds"] for each in results], [each["server_accuracy"] for each in results]


def main() -> None:
    """Run both, and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blazefl", help="the Python of BlazeFL's environment; without it limbeck runs alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    runs = {"limbeck": [limbeck(given.rounds, seed) for seed in given.seed]}
    if given.blazefl:
        runs["BlazeFL"] = [blazefl(given.blazefl, given.rounds, seed) for seed in given.seed]
    medians = {}
    for name, results in runs.items():
        by_round = zip(*(accuracies for _, accuracies in results), strict=True)
        print(f"{name:<8} accuracy by round", *(f"{statistics.median(each):.3f}" for each in by_round))
        medians[name] = statistics.median(second for seconds, _ in results for second in seconds)
        print(f"{name:<8} seconds a round   {medians[name]:.2f} (median)")
    if given.blazefl:
        print(f"limbeck takes {medians['limbeck'] / medians['BlazeFL']:.2f} of BlazeFL's seconds a round")


if __name__ == "__main__":
    main()
