"""A lab run's folder, and the settings that a lab run starts from."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from limbeck_common.core.errors import SettingsError
from limbeck_common.core.spec import Spec
from limbeck_common.support.disk import make_folder
from limbeck_server.settings import Settings, load

DEMO: dict[str, Any] = {  # tuned on digits with five clients, Dirichlet 0.5
    "federation.rounds": 10,
    "recipe.learning_rate": 0.02,
    "recipe.distill_learning_rate": 0.02,
    "recipe.momentum": 0.9,
    "recipe.batch_size": 20,
    "round.time.max": 300,
}


def new_run(wanted: Path | None, what: str) -> Path:
    """Make and return the run's folder; by default runs/WHAT-DATE-TIME.

    Raises:
        SettingsError: it holds a run already, or cannot be written to.
    """
    run = wanted or Path("runs") / f"{what}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    if (run / "metrics.jsonl").exists():
        raise SettingsError(f"{run} holds a run already", expected="a new folder", remedy="name another with --run-dir")
    make_folder(run / "models", "--run-dir")
    return run


def lab_settings(
    config: Path | None, defaults: dict[str, Any], flags: dict[str, str], clients: int, run: Path
) -> Settings:
    """Return the daemon's settings for a run of `clients` clients that are all to take part from the start.

    Raises:
        SettingsError: they contradict themselves, or wait for more clients than there are.
    """
    own = {
        "lobby.count.min": clients,
        "lobby.count.max": clients,
        "round.count.min": 1,
        "data.parts": clients,
        "listen.port": 0,
        "store.path": str(run / "store"),
        "tls.folder": str(run / "tls"),
    }
    given = {} if config else defaults
    settings = load(config, {key: str(value) for key, value in (given | own).items()} | flags)
    for key, least in (("lobby.count.min", settings.lobby.count.min), ("round.count.min", settings.round.count.min)):
        if least > clients:
            raise SettingsError(
                f"{key} is {least}, and there are {clients} clients: they would wait for ever",
                expected=f"at most {clients}",
                remedy="start more with --clients",
            )
    return settings


def write_settings(run: Path, settings: Settings, spec: Spec, models: dict[str, str]) -> None:
    """Write settings.json: what the daemon was told, what every client was told, and each client's model."""
    content = {
        "settings": settings.model_dump(mode="json"),
        "spec": spec.model_dump(mode="json"),
        "models": models,
    }
    (run / "settings.json").write_text(json.dumps(content, indent=2) + "\n")
