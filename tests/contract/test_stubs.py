"""The committed stubs are the ones that proto/ makes."""

from pathlib import Path

from limbeck_lab.stubs import generate

ROOT = Path(__file__).parents[2]


def test_the_stubs_have_not_drifted_from_the_proto_files(tmp_path: Path) -> None:
    generate(ROOT / "proto", tmp_path)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*pb2*.py*")}
    kept = ROOT / "common"
    assert made == {path.relative_to(kept): path.read_text() for path in kept.rglob("v1/*pb2*.py*")}, "run make stubs"
