"""The house keeps its bounds: file sizes, full folders, retired words, exceptions to the linter, mirrored tests."""

import pytest
from house.bounds import broken


@pytest.fixture(scope="module")
def breaches() -> dict[str, list[str]]:
    return broken()


@pytest.mark.parametrize("bound", ["retired words", "long files", "full folders", "noqa", "tests of each module"])
def test_every_bound_holds(bound: str, breaches: dict[str, list[str]]) -> None:
    assert breaches[bound] == []
