"""deploy/compose.yaml and the Dockerfile against the Compose specification and our own programs; no engine needed."""

import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from jsonschema.validators import validator_for

from limbeck_client.cli.main import cli as client_cli
from limbeck_common.runtime.make_learner import BUILT_IN
from limbeck_server.cli.main import cli as server_cli
from limbeck_server.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TOKENS = {name: service for name, service in SERVICES.items() if name.endswith("-token")}
CLIENTS = {name: service for name, service in SERVICES.items() if name not in {"init", "server", *TOKENS}}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROGRAMS: dict[str, click.Group] = {"limbeck-server": server_cli, "limbeck-client": client_cli}


def parse(program: str, arguments: list[str]) -> dict[str, Any]:
    """Have the program's own command line read the arguments, without running them."""
    group = PROGRAMS[program]
    command = group.get_command(click.Context(group), arguments[0])
    assert command is not None, f"{program} has no command {arguments[0]}"
    return command.make_context(arguments[0], arguments[1:]).params


def stages() -> dict[str, str]:
    """The Dockerfile's stages, by name."""
    parts = re.split(r"^FROM (\S+) AS (\w[\w-]*)\n", DOCKERFILE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[1::3], parts[2::3], strict=True))


def in_stage(stage: str, word: str) -> list[str]:
    found = re.search(rf"^{word} (?:.* CMD )?(\[.*\])$", stages()[stage], re.MULTILINE)
    assert found, f"{stage} has no {word} in exec form"
    return list(json.loads(found[1]))


def test_it_is_valid_by_the_compose_specification() -> None:
    package = distribution("check-jsonschema")  # which carries the specification's schema
    path = Path(str(package.locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")))
    schema = json.loads(path.read_text())
    problems = [f"{error.json_path}: {error.message}" for error in validator_for(schema)(schema).iter_errors(COMPOSE)]
    assert problems == []


def test_three_clients_bring_three_models_and_a_part_each() -> None:
    joins = {name: parse("limbeck-client", service["command"]) for name, service in CLIENTS.items()}
    assert {join["model"] for join in joins.values()} == {"cnn", "mlp", "forest"}
    assert sorted(join["part"] for join in joins.values()) == [0, 1, 2]
    for name, join in joins.items():
        assert join["name"] == name
        assert join["model"] in BUILT_IN
        assert join["address"] == "server:50051"


def test_the_server_waits_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SERVICES["server"]
    for name, value in server["environment"].items():
        monkeypatch.setenv(name, str(value))
    run = parse("limbeck-server", server["command"])
    assert f"./federation.toml:{run['config']}:ro" in server["volumes"]
    settings = load(DEPLOY / "federation.toml", {})
    assert settings.data.parts == settings.lobby.count.min == settings.lobby.count.max == len(CLIENTS)
    assert (settings.listen.host, settings.listen.port) == ("0.0.0.0", 50051)  # noqa: S104 - a container's own network
    assert settings.model.name == "forest"  # the image has no torch


def test_every_client_is_handed_its_token_and_the_server_waits_for_all() -> None:
    init = parse("limbeck-server", SERVICES["init"]["command"])
    assert init["hosts"] == ("server",)
    assert set(TOKENS) == {f"{name}-token" for name in CLIENTS}
    for name, service in CLIENTS.items():
        token = TOKENS[f"{name}-token"]
        made = parse("limbeck-server", token["command"])
        assert made["clients"] == (name,)
        assert token["volumes"] == [SERVICES["init"]["volumes"][0], f"{name}-token:{made['tokens']}"]
        assert token["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
        assert parse("limbeck-client", service["command"])["token_file"] == made["tokens"] / name
        assert service["volumes"][1] == f"{name}-token:{made['tokens']}:ro"
        assert str(made["tokens"]) in stages()["run"]  # so that the volume is the user's own
    assert SERVICES["server"]["depends_on"] == {
        name: {"condition": "service_completed_successfully"} for name in TOKENS
    }


def test_a_client_sees_no_volume_of_another_client() -> None:
    for name, service in CLIENTS.items():
        assert [volume.split(":")[0] for volume in service["volumes"]] == [name, f"{name}-token"]


def test_clients_start_when_the_server_is_healthy() -> None:
    kind, program, *arguments = SERVICES["server"]["healthcheck"]["test"]
    assert kind == "CMD"
    parse(program, arguments)
    for service in CLIENTS.values():
        assert service["depends_on"] == {"server": {"condition": "service_healthy"}}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_little(name: str) -> None:
    service = SERVICES[name]
    uid, gid = service["user"].split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ports"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_container_writes_outlives_it(name: str) -> None:
    service = SERVICES[name]
    volume, folder = service["volumes"][0].split(":")
    assert volume in COMPOSE["volumes"]
    if name == "server":
        assert Path(service["environment"]["LIMBECK_STORE__PATH"]).is_relative_to(folder)
    elif name not in CLIENTS:
        assert volume == "journal"  # with the server's certificates in its working folder
    else:
        assert parse("limbeck-client", service["command"])["out"].is_relative_to(folder)
    assert service["restart"].startswith("on-failure")
    assert service["stop_grace_period"]


def test_every_image_is_built_here_from_the_one_dockerfile() -> None:
    built = {service["image"]: service["build"] for service in SERVICES.values() if "build" in service}
    assert {service["image"] for service in SERVICES.values()} == set(built)
    for image, build in built.items():
        assert (build["context"], build["dockerfile"]) == ("..", "deploy/Dockerfile")
        assert build["target"] in stages()
        assert image.startswith(f"limbeck-{build['target']}")
    for service in SERVICES.values():  # never from a registry, where a stranger may have taken the name
        assert service["pull_policy"] == ("build" if "build" in service else "never")


@pytest.mark.parametrize("target", ["server", "client"])
def test_an_image_runs_our_program_as_nobody_special(target: str) -> None:
    [program] = in_stage(target, "ENTRYPOINT")
    assert program == f"limbeck-{target}"
    assert f"FROM run AS {target}" in DOCKERFILE
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", stages()["run"], re.MULTILINE)
    if target == "server":
        run = parse(program, in_stage(target, "CMD"))
        assert f"COPY deploy/federation.toml {run['config']}" in stages()[target]
        _, *arguments = in_stage(target, "HEALTHCHECK")
        parse(program, arguments)
