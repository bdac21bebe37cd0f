"""What the benches measured against its targets: `python tests/bench/targets.py FILE` prints a table of its lines.

Each bench that has a target adds a line of JSON to the file that BENCH_LINES names, if it names one.
"""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("limbeck", "grpcio", "numpy", "torch")


def add(what: str, values: Sequence[float], target: float, unit: str) -> None:
    """Add a measurement, its runs' `values`, which should be at most `target`; each in `unit`."""
    file = os.environ.get("BENCH_LINES")
    if file is None:
        return
    line = {"what": what, "values": list(values), "target": target, "unit": unit}
    with Path(file).open("a") as out:
        out.write(json.dumps(line) + "\n")


def machine() -> str:
    """Return the machine and the versions that were measured."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cpu = models[0].partition(":")[2].strip() if models else platform.processor()
    return f"{len(models)} x {cpu}; Python {platform.python_version()}, " + ", ".join(
        f"{name} {version(name)}" for name in _PACKAGES
    )


def main(file: Path) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    print(machine())
    for line in lines:
        median, spread = statistics.median(line["values"]), max(line["values"]) - min(line["values"])
        line |= {"median": median, "held": median <= line["target"]}
        verdict = "held" if line["held"] else "MISSED"
        print(
            f"{verdict:6}  {line['what']:66} {median:8.2f} {line['unit']:6} at most {line['target']:g}"
            f"  (spread {spread:.2f} in {len(line['values'])} runs)"
        )
    file.with_suffix(".json").write_text(json.dumps({"machine": machine(), "rows": lines}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
