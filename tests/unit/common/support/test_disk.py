"""A folder is one process's, and what keeps us from writing is said in one line."""

from pathlib import Path

import pytest

from limbeck_common.core.errors import SettingsError
from limbeck_common.support.disk import make_folder, put, take, writing


def test_a_folder_is_taken_by_one_at_a_time(tmp_path: Path) -> None:
    with (
        take(tmp_path / "lock", "client", "--state"),
        pytest.raises(SettingsError, match=f"another client works in {tmp_path}; stop it, or .* --state"),
    ):
        take(tmp_path / "lock", "client", "--state")
    take(tmp_path / "lock").close()


def test_a_lock_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(SettingsError, match=r"cannot write to /dev/null/x: Not a directory; .* --store"):
        take(Path("/dev/null/x/lock"))


@pytest.mark.parametrize("place", ["/dev/null/folder", "file"])
def test_a_folder_that_cannot_be_one_is_named_with_its_flag(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=f"cannot write to .*{place}: .*; name another with --out"):
        make_folder(tmp_path / place, "--out")


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b", "--out")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(SettingsError, match="No space left on device"), writing(Path("x"), "--state"):
        Path("/dev/full").write_text("x", encoding="ascii")


def test_a_file_is_put_whole_in_place_of_another(tmp_path: Path) -> None:
    put(tmp_path / "key.pem", b"old, open to all")
    put(tmp_path / "key.pem", b"its owner", b"'s", secret=True)
    assert (tmp_path / "key.pem").read_bytes() == b"its owner's"
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key.pem"]
