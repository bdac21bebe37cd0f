"""What a method's own code raises, as an error that names the method and its function."""

from collections.abc import Iterator
from contextlib import contextmanager

from limbeck_common.core.errors import LimbeckError, MethodCodeError
from limbeck_common.methods.method import Method


@contextmanager
def blaming(method: Method, hook: str) -> Iterator[None]:
    """Turn what a method's own code raises into one line that names the method and its function."""
    try:
        yield
    except LimbeckError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise MethodCodeError(
            f"method {type(method).__name__} raised {type(error).__name__} in {hook}: {said}",
            remedy="mend the method, then start again",
        ) from error
