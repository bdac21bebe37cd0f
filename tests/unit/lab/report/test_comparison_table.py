"""A comparison's table on the terminal."""

from pathlib import Path

from rich.console import Console
from support.comparisons import plan, record_run

from limbeck_lab.compare.plan import Job
from limbeck_lab.compare.scores import read_runs, score
from limbeck_lab.report.comparison_table import print_comparison


def test_each_variant_has_a_row_relative_to_fedavg(tmp_path: Path) -> None:
    both = plan("fedavg", "dsfl")
    record_run(tmp_path, Job("fedavg", 0, 3), [0.5, 0.8, 0.9], 1000)
    record_run(tmp_path, Job("fedavg", 1, 3), [0.8, 0.8, 0.7], 1000)
    record_run(tmp_path, Job("dsfl", 0, 3), [0.1, 0.2, 0.8], 10, has_model=False)
    console = Console(width=140)
    with console.capture() as capture:
        print_comparison(score(both, read_runs(both, tmp_path)), console)
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in capture.get().splitlines() if line.strip()}
    assert rows["fedavg"] == ("80.0 (70.0-90.0) 80.0 (70.0-90.0) 70.0 / 80.0 / 90.0 4.0 kB 100 % 1.5 kB 100 % 10.5 s")
    assert rows["dsfl"] == "- 80.0 70.0 / 80.0 / 90.0 40 B 1 % 30 B 2 % 10.0 s"
    assert "missing seeds: dsfl 1" in " ".join(capture.get().split())
