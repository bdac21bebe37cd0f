"""Each example runs as it stands, in a folder of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
SAYS = {
    "comparison.py": r"dsfl:open_per_round=300 +0\.\d{3}",
    "embedded.py": r"finished: all 2 rounds done",
    "own_method.py": r"power=4\.0: accuracy 0\.\d{3}, \d+\.\d kB per client",
    "own_model.py": r"client-0 predicts \[[0-2 ]+\]",
}


def test_every_example_is_run() -> None:
    assert sorted(path.name for path in (ROOT / "examples").glob("*.py")) == sorted(SAYS)


@pytest.mark.parametrize("example", sorted(SAYS))
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[example], done.stdout), done.stdout


def test_the_method_in_the_readme_is_complete(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 23
    (tmp_path / "average.py").write_text(code)
    done = run(
        "limbeck_lab.cli.main",
        "simulate",
        "--method",
        "average:Average",
        "--rounds",
        "1",
        "--clients",
        "2",
        "--model",
        "mlp",
        "--no-alone",
        cwd=tmp_path,
        seconds=200,
    )
    assert done.returncode == 0, done.stderr
