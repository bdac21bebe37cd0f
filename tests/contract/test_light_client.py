"""The client's core runs without torch, and its help is instant."""

import subprocess
import sys

HEAVY = {"torch", "torchvision", "sklearn", "scipy", "sqlalchemy", "matplotlib"}


def loaded(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_the_core_of_the_client_imports_no_learning_framework() -> None:
    core = "import limbeck_client.runner, limbeck_client.transport, limbeck_client.runtime"
    assert not HEAVY & loaded(core)


def test_help_imports_neither_numpy_nor_grpc() -> None:
    for program in ("limbeck_client.cli.main", "limbeck_server.cli.main", "limbeck_lab.cli.main"):
        modules = loaded(f"import {program}")
        assert not (HEAVY | {"numpy", "grpc"}) & modules
        assert "click" in modules
