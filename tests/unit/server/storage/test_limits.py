"""Uplinks are refused while the journal can still be written."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from limbeck_common.core.errors import StoreFullError
from limbeck_server.storage.limits import check_disk


def test_a_block_needs_its_own_size_and_32_megabytes_for_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1000 + 33_554_432
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    check_disk(tmp_path, 1000)
    with pytest.raises(StoreFullError, match="the server's disk has 33555432 bytes left; expected 33555433; try again"):
        check_disk(tmp_path, 1001)
