"""Users' own models, data and methods, named as `package.module:callable`."""

import importlib
import inspect
import sys
from typing import Any

from limbeck_common.core.errors import UserCodeError


def is_plugin(text: str) -> bool:
    """Say whether `text` has the form `package.module:callable`."""
    module, _, attribute = text.partition(":")
    return bool(module) and bool(attribute)


def search_working_folder() -> None:
    """Have imports look into the working folder, too."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def load_plugin(text: str) -> Any:
    """Return the callable that `text` names. The working folder is searched too.

    >>> load_plugin("math:sqrt")(9)
    3.0

    Raises:
        UserCodeError: it cannot be imported, does not exist, or is not callable.
    """
    module_name, _, attribute = text.partition(":")
    search_working_folder()
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # the user's module may raise anything
        raise UserCodeError(
            f"cannot load {text!r}: {type(error).__name__}: {error}",
            expected="package.module:callable, importable from here",
            remedy="check the spelling and PYTHONPATH",
        ) from error
    if not callable(found):
        raise UserCodeError(
            f"{text!r}, of type {type(found).__name__}, cannot be called", expected="a function or a class"
        )
    return found


def call_plugin(text: str, **offered: Any) -> Any:
    """Call what `text` names with those of the offered arguments that its signature names, and return the result.

    Raises:
        UserCodeError: it cannot be loaded, or it raises.
    """
    target = load_plugin(text)
    try:
        wanted = inspect.signature(target).parameters
        return target(**{name: value for name, value in offered.items() if name in wanted})
    except Exception as error:  # the user's code may raise anything
        raise UserCodeError(
            f"{text} raised {type(error).__name__}: {error}", remedy="fix it and start again"
        ) from error
