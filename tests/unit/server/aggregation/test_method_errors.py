"""A method's own errors name the method and its function; limbeck's pass as they are."""

import pytest

from limbeck_common.core.errors import UserCodeError, ValuesError
from limbeck_common.methods.dsfl import DSFL
from limbeck_server.aggregation.method_errors import blaming


def test_what_a_method_raises_is_one_line_that_names_its_function() -> None:
    with pytest.raises(UserCodeError) as raised, blaming(DSFL(), "server_plan"):
        raise KeyError("two\nlines")
    assert str(raised.value) == (
        "method DSFL raised KeyError in server_plan: 'two\\nlines'; mend the method, then start again"
    )
    assert isinstance(raised.value.__cause__, KeyError)
    with pytest.raises(UserCodeError, match="ValueError in server_plan: two lines;"), blaming(DSFL(), "server_plan"):
        raise ValueError("two\n  lines")


def test_an_error_that_has_its_words_already_passes() -> None:
    with pytest.raises(ValuesError, match="negative"), blaming(DSFL(), "server_decode"):
        raise ValuesError("negative values")
