"""The client's core runs without torch, and its help is instant."""

import resource
import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "sklearn", "scipy", "sqlalchemy", "matplotlib"}


def loaded(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_the_core_of_the_client_imports_no_learning_framework() -> None:
    core = "import limbeck_client.runner, limbeck_client.transport, limbeck_client.runtime"
    assert not HEAVY & loaded(core)


@pytest.mark.parametrize("program", ["limbeck_client.cli.main", "limbeck_server.cli.main", "limbeck_lab.cli.main"])
def test_help_imports_neither_numpy_nor_grpc(program: str) -> None:
    modules = loaded(f"import sys, click, {program} as module\nmodule.cli.main(['--help'], standalone_mode=False)")
    assert not (HEAVY | {"numpy", "grpc", "pydantic"}) & modules
    assert "click" in modules


def test_the_clients_help_is_instant() -> None:
    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = seconds()
    help_of_client = [sys.executable, "-m", "limbeck_client.cli.main", "--help"]
    subprocess.run(help_of_client, capture_output=True, timeout=60, check=True)
    assert seconds() - before < 0.3  # of a processor: the wall clock would also measure the other tests
