"""The examples in the lab's docstrings hold."""

import doctest
import importlib
import pkgutil

import limbeck_lab


def test_the_examples_in_docstrings_hold() -> None:
    names = [module.name for module in pkgutil.walk_packages(limbeck_lab.__path__, "limbeck_lab.")]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
    assert sum(result.attempted for result in results) >= 12
    assert sum(result.failed for result in results) == 0
