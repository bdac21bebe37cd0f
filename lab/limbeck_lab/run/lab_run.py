"""One lab run: who takes part, with which settings, in which folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import Spec
from limbeck_common.support.disk import make_folder
from limbeck_lab.results.metrics_file import FILE
from limbeck_lab.run.clients import Client
from limbeck_lab.run.on_round import Round
from limbeck_server.settings import Settings, load

DEFAULTS: dict[str, Any] = {"round.time.max": 300}  # nobody leaves a lab run overnight for a client that is gone


@dataclass(frozen=True)
class LabRun:
    """The choices of one run.

    `folder` takes the results, `workers` is the number of processes that train, `alone` has each client trained
    without the federation as well, to compare, `show` prints a line, and `closed` is told each round that closes. A
    simulation keeps its store in memory, unless `keep_store` asks for one on the disk, as a daemon has it. `on_round`
    is called with each round once all is known of it. `engine` says where workers run: see `ray_workers.workers_on`.
    """

    settings: Settings
    clients: list[Client]
    folder: Path
    workers: int
    alone: bool
    show: Callable[[str], None]
    closed: Callable[[int], None] = lambda _round: None
    keep_store: bool = False
    on_round: Callable[[Round], None] = lambda _round: None
    engine: str = "local"

    @property
    def models(self) -> dict[str, str]:
        """The model of each client, by its name."""
        return {client.name: client.model for client in self.clients}


@dataclass(frozen=True)
class BaseSettings:
    """What the settings of a run, or of all runs of a comparison, start from.

    `flags` override the TOML file `config`; without a file, they override `defaults`. Keys are dotted.
    """

    clients: int
    config: Path | None = None
    defaults: Mapping[str, Any] | None = None
    flags: Mapping[str, str] | None = None

    def load(self, folder: Path, flags: Mapping[str, str] | None = None) -> Settings:
        """Return the daemon's settings for a run in `folder` in which all clients take part from the start.

        `flags`, where they are given, replace the object's own. A later one overrides an earlier one.

        Raises:
            SettingsError: the settings are invalid, or wait for more clients than there are.
        """
        own = {
            "lobby.count.min": self.clients,
            "lobby.count.max": self.clients,
            "round.count.min": 1,
            "data.parts": self.clients,
            "listen.port": 0,
            "store.path": str(folder / "store"),
            "tls.folder": str(folder / "tls"),
        }
        given = {} if self.config else dict(self.defaults or {})
        texts = {key: str(value) for key, value in (given | own).items()}
        settings = load(self.config, texts | dict(flags or self.flags or {}))
        for key, least in (
            ("lobby.count.min", settings.lobby.count.min),
            ("round.count.min", settings.round.count.min),
        ):
            if least > self.clients:
                raise SettingsError(
                    f"{key} is {least}, and there are {self.clients} clients: they would wait forever",
                    expected=f"at most {self.clients}",
                    remedy="start more with --clients",
                )
        return settings


def timed_folder(what: str) -> Path:
    """Return the folder of a run that was given none: runs/WHAT-DATE-TIME."""
    return Path("runs") / f"{what}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def make_run_folder(folder: Path) -> Path:
    """Make and return the run's folder.

    Raises:
        SettingsError: it holds a run already, or cannot be written to.
    """
    if (folder / FILE).exists():
        raise SettingsError(
            f"{folder} holds a run already", expected="a new folder", remedy="name another with --run-dir"
        )
    make_folder(folder / "models", "--run-dir")
    return folder


def write_settings(run: LabRun, spec: Spec) -> None:
    """Write settings.json: the daemon's settings, the specification that every client receives, and their models."""
    content = {
        "settings": run.settings.model_dump(mode="json"),
        "spec": spec.model_dump(mode="json"),
        "models": run.models,
    }
    (run.folder / "settings.json").write_text(json.dumps(content, indent=2) + "\n")
