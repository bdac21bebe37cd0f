"""What a newcomer touches to add a data set, an operator's call or a store: the files that name the last of each."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("common", "server", "client", "lab", "proto")


def naming(pattern: str) -> list[str]:
    """Return the hand-written files of the product that match a pattern, as paths from the root."""
    files = [path for folder in FOLDERS for suffix in ("py", "proto") for path in (ROOT / folder).rglob(f"*.{suffix}")]
    written = [path for path in files if "wire/v1" not in str(path) or path.suffix == ".proto"]
    return sorted(str(path.relative_to(ROOT)) for path in written if re.search(pattern, path.read_text()))


@pytest.mark.parametrize(
    ("what", "pattern", "files"),
    [
        ("a data set", "fashion_mnist", ["datasets/fashion_mnist.py", "datasets/registry.py"]),
        (
            "an operator's call",
            r"\bResume\b|def resume\(self, state",
            ["wire/v1/operator.proto", "cli/operator.py", "round/machine.py", "rpc/operator_service.py"],
        ),
        ("a store", r"class MemoryStore\b", ["storage/memory.py"]),
    ],
)
def test_it_takes_these_files(what: str, pattern: str, files: list[str]) -> None:
    found = naming(pattern)
    assert len(found) == len(files), (what, found)
    for file in files:
        assert sum(path.endswith(file) for path in found) == 1, (what, file, found)
