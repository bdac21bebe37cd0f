"""DS-FL on BlazeFL: the other half of limbeck's side-by-side benchmark.

It runs in a Python 3.13 environment of its own (requirements.txt, beside this file) and imports nothing of limbeck:

    python dsfl.py --data-dir FOLDER [--rounds 3] [--workers 2 --threads 1] [--mode process | thread]

A line a round goes to standard error, one JSON object to standard output at the end. A round's seconds run from the
choice of its clients to the server's accuracy on the test images, as BlazeFL's own loop goes; `clients_seconds` is
the part of them until the last client was done. Setting up is not counted. With --split, both halves can work on
the very same images; without it the split comes from the seed.

Sources. The method: Itahara, Nishio, Koda, Morikura and Yamamoto, "Distillation-Based Semi-Supervised Federated
Learning for Communication-Efficient Collaborative Training with Non-IID Private Data", IEEE Transactions on Mobile
Computing, arXiv 2008.06180. The framework: BlazeFL, whose package brings the classes extended here but no DS-FL; the
example in its repository was read for what a user of it does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

if sys.version_info < (3, 13):
    sys.exit(f"dsfl.py: BlazeFL needs Python 3.13 or newer, and this is {sys.version.split()[0]}")
try:
    import torch.multiprocessing
    from blazefl.reproducibility import setup_reproducibility
    from federation import Server, Settings
    from mnist_parts import MnistParts, read_split, split
    from trainers import ProcessTrainer, ThreadTrainer
except ImportError as missing:
    sys.exit(f"dsfl.py: {missing}; install requirements.txt, which lies beside this file")

CHOICES = {"mode": ("process", "thread"), "start_method": ("fork", "forkserver", "spawn")}


def run(settings: Settings, parts: MnistParts) -> list[dict[str, float]]:
    """Play every round; return its metrics."""
    torch.multiprocessing.set_start_method(settings.start_method)
    torch.set_num_threads(settings.threads)
    setup_reproducibility(settings.seed)
    server = Server(settings, parts)
    trainer = (ProcessTrainer if settings.mode == "process" else ThreadTrainer)(settings, parts)
    metrics: list[dict[str, float]] = []
    while not server.if_stop():
        began = time.perf_counter()
        cids = server.sample_clients()
        trainer.local_process(server.downlink_package(), cids)
        clients_seconds = time.perf_counter() - began
        for uplink in trainer.uplink_package():
            server.load(uplink)
        accuracy = server.accuracy()
        seconds = time.perf_counter() - began
        sys.stderr.write(f"round {server.round}/{settings.rounds}: {seconds:.1f} s, server accuracy {accuracy:.4f}\n")
        timed = {"seconds": round(seconds, 3), "clients_seconds": round(clients_seconds, 3)}
        metrics.append({"round": server.round, **timed, "server_accuracy": accuracy})
    return metrics


def read_flags() -> tuple[Settings, Path, Path | None]:
    """The settings, where MNIST is, and a split made elsewhere."""
    parser = argparse.ArgumentParser(description="DS-FL on BlazeFL", allow_abbrev=False)
    for name, default in asdict(Settings()).items():
        choices = CHOICES.get(name)
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(default), default=default, choices=choices, help=f"default: {default}")
    parser.add_argument(
        "--data-dir", default=os.environ.get("LIMBECK_DATA"), help="torchvision's root folder with MNIST"
    )
    parser.add_argument("--split", type=Path, help='JSON: {"clients": [[index, ...], ...], "open": [index, ...]}')
    flags = vars(parser.parse_args())
    data, given = flags.pop("data_dir"), flags.pop("split")
    if not data:
        raise ValueError("where is MNIST? Give --data-dir, or set LIMBECK_DATA")
    return Settings(**flags), Path(data), given


def prepare(folder: Path) -> tuple[Settings, MnistParts]:
    """Read the flags and lay the parts of the data out under the folder."""
    settings, data, given = read_flags()
    if given:
        clients, opened = read_split(given)
        settings = replace(settings, clients=len(clients), private=sum(map(len, clients)), open=len(opened))
    settings.check()
    if not given:
        clients, opened = split(
            data, settings.clients, (settings.private, settings.open), settings.alpha, settings.seed
        )
    parts = MnistParts(folder)
    parts.write(data, clients, opened)
    return settings, parts


def main() -> None:
    """Prepare, run, print."""
    with tempfile.TemporaryDirectory(prefix="blazefl-") as folder:
        try:
            settings, parts = prepare(Path(folder))
        except (ValueError, OSError) as error:
            sys.exit(f"dsfl.py: {error}")
        rounds = run(settings, parts)
    described = asdict(settings) | {"python": sys.version.split()[0], "torch": torch.__version__}
    report = {"system": "blazefl", "version": version("blazefl"), "rounds": rounds, "settings": described}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
