"""A farm of real processes for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from farm import Farm


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    made = Farm(tmp_path)
    yield made
    made.close()
