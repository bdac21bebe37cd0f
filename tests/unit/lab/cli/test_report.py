"""`limbeck-lab report` knows a run from a comparison."""

from pathlib import Path

from click.testing import CliRunner
from support.comparisons import plan, record_run
from support.report_pages import make_run

from limbeck_lab.cli.main import cli
from limbeck_lab.compare.plan import Job, settle


def test_the_report_of_a_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["report", str(make_run(tmp_path, 1))], catch_exceptions=False)
    assert done.output == f"{tmp_path / 'report.html'}\n"
    assert not (tmp_path / "comparison.json").exists()


def test_the_report_of_a_comparison(tmp_path: Path) -> None:
    settle(tmp_path, plan("dsfl"))
    record_run(tmp_path, Job("dsfl", 0, 3), [0.5], 10)
    done = CliRunner().invoke(cli, ["report", str(tmp_path)], catch_exceptions=False)
    assert done.output == f"{tmp_path / 'report.html'}\n"
    assert (tmp_path / "comparison.json").exists()
