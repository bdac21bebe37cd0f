"""`import limbeck`: each public name is there, typed, documented, and light until it is used."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import limbeck

ROOT = Path(__file__).parents[2]


def test_importing_it_imports_neither_torch_nor_scikit_learn_nor_the_server() -> None:
    code = "import sys, json, limbeck; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "sqlalchemy", "grpc", "matplotlib"} & set(json.loads(done.stdout))


def test_every_public_name_is_there_sorted_and_no_other() -> None:
    assert limbeck.__all__ == sorted(limbeck.__all__, key=lambda name: (name.upper() != name, name[0].islower(), name))
    assert dir(limbeck) == sorted(limbeck.__all__)
    for name in limbeck.__all__:
        assert getattr(limbeck, name) is not None
    with pytest.raises(AttributeError, match="module 'limbeck' has no attribute 'nothing'"):
        _ = limbeck.nothing


def test_a_type_checker_sees_what_is_imported_late() -> None:
    tree = ast.parse(Path(limbeck.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(limbeck.__all__) <= imported
    for package in ("common/limbeck", "common/limbeck_common", "client/limbeck_client", "server/limbeck_server"):
        assert (ROOT / package / "py.typed").exists()
    assert (ROOT / "lab/limbeck_lab/py.typed").exists()


@pytest.mark.parametrize("name", limbeck.__all__)
def test_every_public_class_and_function_says_what_it_is(name: str) -> None:
    found = getattr(limbeck, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__doc__
        assert not found.__doc__.startswith(f"{name}(")  # what a dataclass says of itself where nobody does
