"""Every example in a docstring runs, and says what comes of it."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
import structlog

import limbeck
import limbeck_client
import limbeck_common
import limbeck_lab
import limbeck_server

MODULES = [
    found.name
    for package in (limbeck_client, limbeck_common, limbeck_lab, limbeck_server)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.ispkg
    and not found.name.startswith(("limbeck_common.wire.v1", "limbeck_lab.writers"))  # optional libraries
]
SHOWN = (
    "core.blocks.Block",
    "core.blocks.Rows",
    "core.exact_sums.Tally",
    "core.exact_sums.ParameterTally",
    "core.arrays.encoded_rows.QuantisedRows",
    "core.arrays.encoded_rows.SparseRows",
    "core.arrays.encoded_rows.VoteRows",
    "core.form.Form",
    "core.kinds.Kind",
    "core.seeds.Sample",
    "core.sparse_sums.SparseTally",
    "core.spec.Output",
    "core.arrays.file_array.FileArray",
    "datasets.examples.Examples",
    "datasets.partitions.partition",
    "datasets.registry.load_participant",
    "learning.learner.Learner",
    "learning.sklearn_learner.SklearnLearner",
    "core.arrays.encodings.Quantised",
    "methods.dsfl.eera",
    "methods.dsfl.era",
    "methods.method.Method",
    "wire.named_parts.write_named",
    "wire.payload.Payload",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    structlog.reset_defaults()  # a test that captured logs leaves structlog configured
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE, raise_on_error=False)
    structlog.reset_defaults()
    assert failed == 0


@pytest.mark.parametrize("name", [name for name in limbeck.__all__ if callable(getattr(limbeck, name))])
def test_every_public_class_and_function_has_an_example(name: str) -> None:
    found = getattr(limbeck, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert ">>> " in found.__doc__


@pytest.mark.parametrize("name", SHOWN)
def test_what_others_build_on_has_an_example(name: str) -> None:
    module, _, thing = name.rpartition(".")
    documented = getattr(importlib.import_module(f"limbeck_common.{module}"), thing)
    assert ">>> " in documented.__doc__
