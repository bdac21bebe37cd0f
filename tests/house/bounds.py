"""The bounds of the house, each with what breaks it. tests/contract/test_house.py holds them."""

from house.counts import exceptions, long_files, modules_per_folder
from house.files import documents, product, tests
from house.mirror import untold
from house.words import found

MOST_LINES = 400
MOST_MODULES = 12
MOST_EXCEPTIONS = 73
_UNBOUNDED = {"common/limbeck_common/methods"}  # one file per method


def broken() -> dict[str, list[str]]:
    """Return, for each bound, a line for everything that breaks it."""
    counts = modules_per_folder()
    lines = exceptions().lines
    return {
        "retired words": found([*product(), *documents(), *tests()]),
        "long files": [f"{line}; expected at most {MOST_LINES}" for line in long_files(MOST_LINES)],
        "full folders": [
            f"{folder}: {count} modules; expected at most {MOST_MODULES}"
            for folder, count in counts.items()
            if count > MOST_MODULES and folder not in _UNBOUNDED
        ],
        "noqa": [f"{lines} lines with noqa; expected at most {MOST_EXCEPTIONS}"] if lines > MOST_EXCEPTIONS else [],
        "tests of each module": untold(),
    }
