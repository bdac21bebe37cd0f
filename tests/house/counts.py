"""What can be counted in the house, each by a function of its own."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from statistics import median

from house.files import PACKAGES, ROOT, File, product, tests

_NOQA = re.compile(r"#\s*noqa\b", re.IGNORECASE)


@dataclass(frozen=True)
class Exceptions:
    """Lines that ask the linter to look away, and those of them that do so for an import inside a function."""

    lines: int
    inner_imports: int


def modules_per_folder() -> Counter[str]:
    """Return the number of modules in each folder of the product; `__init__.py` is none."""
    return Counter(file.folder for file in product() if file.path.name != "__init__.py")


def middle(counts: Counter[str]) -> float:
    """Return the median over the folders."""
    return median(counts.values())


def long_files(lines: int) -> list[str]:
    """Return the Python files, of product and tests, with more lines than that."""
    return [f"{file.path}: {file.lines} lines" for file in [*product(), *tests()] if file.lines > lines]


def exceptions() -> Exceptions:
    """Count the `noqa` comments of the product."""
    lines = [line for file in product() for line in file.text.splitlines() if _NOQA.search(line)]
    return Exceptions(len(lines), sum("PLC0415" in line for line in lines))


def lines_by_package() -> dict[str, tuple[int, int]]:
    """Return, for each package, its hand-written files and their lines."""
    return {package: _size(product(package)) for package in PACKAGES}


def import_contracts() -> tuple[int, int]:
    """Run import-linter; return how many contracts are kept and how many are broken."""
    said = _run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    found = re.search(r"Contracts: (\d+) kept, (\d+) broken", said)
    if found is None:
        raise RuntimeError(f"import-linter said:\n{said}")
    return int(found[1]), int(found[2])


def tests_by_file() -> Counter[str]:
    """Collect all tests, the long set included; return how many there are in each file, by its path from the root."""
    lines = _run("-m", "pytest", "--collect-only", "-qq").splitlines()
    found = [match for line in lines if (match := re.fullmatch(r"(tests/.*): (\d+)", line))]
    return Counter({match[1]: int(match[2]) for match in found})


def _size(files: list[File]) -> tuple[int, int]:
    return len(files), sum(file.lines for file in files)


def _run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
