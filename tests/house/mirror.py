"""Which module has a file of unit tests named after it, and where the others are tested."""

from pathlib import Path

from house.files import PACKAGES, ROOT, product

ELSEWHERE = Path(__file__).with_name("tested_elsewhere.txt")


def elsewhere() -> dict[str, list[str]]:
    """Return, for each module that tested_elsewhere.txt names, the files or folders that test it."""
    found = {}
    for line in ELSEWHERE.read_text().splitlines():
        if line and not line.startswith("#"):
            module, _, places = line.partition(": ")
            found[module] = places.split(", ")
    return found


def without_tests_of_their_own() -> list[str]:
    """Return the product's modules, as paths from the root, that have no file of unit tests named after them."""
    return [
        str(file.path)
        for package, folder in PACKAGES.items()
        for file in product(package)
        if file.path.name != "__init__.py" and not (ROOT / _test_file(package, folder, str(file.path))).exists()
    ]


def untold() -> list[str]:
    """Return what is wrong with tested_elsewhere.txt: modules that it lacks, and lines that are no longer true."""
    named, lacking = elsewhere(), set(without_tests_of_their_own())
    wrong = [f"{module}: no test file of its own, and no line in {ELSEWHERE.name}" for module in lacking - set(named)]
    wrong += [f"{module}: has a test file of its own, or is gone" for module in set(named) - lacking]
    for module, places in named.items():
        wrong += [f"{module}: {place} is not there" for place in places if not (ROOT / "tests" / place).exists()]
    return sorted(wrong)


def _test_file(package: str, folder: str, module: str) -> str:
    inner = module.removeprefix(f"{folder}/")
    parent, _, name = inner.rpartition("/")
    return "/".join(part for part in ("tests/unit", package, parent, f"test_{name}") if part)
