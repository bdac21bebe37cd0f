"""What the store in memory promises beyond the conformance suite: it leaves nothing behind, and needs no disk."""

import shutil
from types import SimpleNamespace

import pytest

from limbeck_common.core.errors import StoreFullError
from limbeck_server.storage.memory import MemoryStore


def test_its_folder_is_there_from_the_first_file_until_it_is_closed() -> None:
    store = MemoryStore()
    path = store.new_file(1)
    path.write_bytes(b"x")
    store.close()
    assert not path.parent.exists()
    MemoryStore().close()  # without a file


def test_it_needs_no_room_but_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    store = MemoryStore()
    store.check_room()
    with pytest.raises(StoreFullError):
        store.new_file(1)
