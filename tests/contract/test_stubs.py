"""The committed stubs are the ones that proto/ makes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_stubs_have_not_drifted_from_the_proto_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "proto" / "make_stubs.py"), str(tmp_path)], check=True)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*pb2*.py*")}
    kept = ROOT / "common"
    assert made == {path.relative_to(kept): path.read_text() for path in kept.rglob("v1/*pb2*.py*")}, "run make stubs"
