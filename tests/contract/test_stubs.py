"""The committed stubs are the ones that proto/ makes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_stubs_have_not_drifted_from_the_proto_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "proto" / "make_stubs.py"), str(tmp_path)], check=True)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*pb2*.py*")}
    kept = ROOT / "common"
    assert made == {path.relative_to(kept): path.read_text() for path in kept.rglob("v1/*pb2*.py*")}, "run make stubs"


def test_what_is_installed_with_limbeck_is_new_enough_for_the_stubs() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for package, pattern, stub in (
        ("grpcio", r"GRPC_GENERATED_VERSION = '([\d.]+)'", "federation_pb2_grpc.py"),
        ("protobuf", r"# Protobuf Python Version: ([\d.]+)", "federation_pb2.py"),
    ):
        made_by = re.search(pattern, (ROOT / "common/limbeck_common/wire/v1" / stub).read_text())
        wanted = re.search(rf'"{package}>=([\d.]+)"', project)
        assert made_by is not None
        assert wanted is not None
        assert wanted[1].split(".") >= made_by[1].split("."), package
