"""deploy/compose.yaml for real: built, brought up, ended by itself, taken down. Skipped where no Docker engine answers.

It is a project of its own, so a federation that runs here keeps its volumes. The images stay: the next time is short.
"""

import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
BUILD_SECONDS = 3000  # torch alone is gigabytes
RUN_SECONDS = 600

Docker = Callable[..., str]


@pytest.fixture
def docker() -> Docker:
    program = shutil.which("docker")
    if program is None:
        pytest.skip("there is no docker program here")

    def ask(*arguments: str, limit: float = 60) -> str:
        return subprocess.run(
            [program, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=limit
        ).stdout.strip()

    for question in (["info"], ["compose", "version"]):
        try:
            ask(*question, limit=10)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"no Docker engine with Compose answers here: {error}")
    return ask


@pytest.fixture
def compose(docker: Docker) -> Iterator[Docker]:
    def ask(*arguments: str, limit: float = 60) -> str:
        project = ["--project-name", "limbeck-test", "--file", str(DEPLOY / "compose.yaml"), "--progress", "plain"]
        return docker("compose", *project, *arguments, limit=limit)

    ask("down", "--volumes", "--remove-orphans")
    try:
        yield ask
    finally:
        ask("down", "--volumes", "--remove-orphans", limit=120)


@pytest.mark.compose
@pytest.mark.timeout(BUILD_SECONDS + RUN_SECONDS + 300)
def test_a_federation_of_containers_runs_to_its_end(docker: Docker, compose: Docker) -> None:
    compose("up", "--build", "--detach", limit=BUILD_SECONDS)
    containers = compose("ps", "--all", "--quiet").split()
    assert len(containers) == 8
    try:
        assert docker("wait", *containers, limit=RUN_SECONDS).split() == ["0"] * 8
    finally:
        print(compose("logs", "--no-color"))  # noqa: T201 - pytest shows it when the test fails

    log = compose("logs", "--no-color", "--no-log-prefix", "server").splitlines()
    events = [json.loads(line) for line in log if line.startswith("{")]
    rounds = tomllib.loads((DEPLOY / "federation.toml").read_text())["federation"]["rounds"]
    assert [event["round"] for event in events if event["event"] == "aggregated"] == list(range(1, rounds + 1))
    assert events[-1]["event"] == "finished"
    for client in ("cnn", "mlp", "forest"):
        assert "finished: all" in compose("logs", "--no-color", "--no-log-prefix", client)
