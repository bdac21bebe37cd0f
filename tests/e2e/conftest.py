"""A farm of real processes for each test that asks for one."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Farm


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job: ours would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    made = Farm(tmp_path)
    yield made
    made.close()
