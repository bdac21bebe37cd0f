"""What `limbeck-lab compare` refuses before it runs anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from limbeck_lab.cli.main import cli


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "dsfl", "--target", "1.5"], "--target 1.5; expected an accuracy between 0 and 1"),
        (["--methods", "dsfl", "--set", "federation.seed=3"], "--set federation.seed; expected --seeds N"),
        ([], "nothing to compare"),
        (["--methods", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_refused_before_a_folder_is_made(tmp_path: Path, arguments: list[str], message: str) -> None:
    folder = tmp_path / "comparison"
    done = CliRunner().invoke(cli, ["compare", "--clients", "2", "--run-dir", str(folder), *arguments])
    assert done.exit_code == 1
    assert message in str(done.exception)
    assert not folder.exists()
