"""`limbeck-server run`: options become settings, and how the federation ended becomes the exit status."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from limbeck_common.support.cli import ENDED_STATUS
from limbeck_server.cli import run as module
from limbeck_server.settings import Settings


def run(monkeypatch: pytest.MonkeyPatch, status: int, *arguments: str) -> tuple[int, Settings]:
    """Run the command with a daemon that ends at once; return the exit status, and the settings that it got."""
    given: list[Settings] = []

    async def serve(settings: Settings, announce: Any) -> int:
        announce("127.0.0.1:1")
        given.append(settings)
        return status

    monkeypatch.setattr(module, "serve", serve)
    monkeypatch.setattr(
        module, "set_up_logs", lambda *_: None
    )  # it would log to the runner's stream, in other tests too
    done = CliRunner().invoke(module.run, arguments)
    assert done.output == "limbeck-server listening on 127.0.0.1:1\n"
    return done.exit_code, given[0]


@pytest.mark.parametrize(("status", "code"), [(0, 0), (1, ENDED_STATUS)])
def test_a_federation_that_failed_has_a_status_of_its_own(
    status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, status)[0] == code


def test_options_are_settings_and_set_overrides_them(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--host", "0.0.0.0", "--port", "7", "--rounds", "3", "--store", "2024", "--tls", "t", "--data-dir", "d"]  # noqa: S104
    _, settings = run(monkeypatch, 0, *options, "--insecure", "--set", "listen.port=8")
    assert settings.listen.at() == "0.0.0.0:8"
    assert (settings.federation.rounds, settings.store.path) == (3, Path("2024"))
    assert (settings.tls.folder, settings.tls.insecure, settings.data_dir) == (Path("t"), True, Path("d"))
    assert run(monkeypatch, 0)[1].tls.insecure is False
