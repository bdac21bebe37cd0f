"""Names, and what a specification refuses."""

import pytest
from pydantic import ValidationError

from limbeck_common.core.errors import ClientNameError
from limbeck_common.core.spec import Output, check_name


@pytest.mark.parametrize("name", ["a", "hospital-3.ward_B", "x" * 64])
def test_plain_client_names_pass(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "a\n", "ä", "a;DROP TABLE facts"])
def test_other_client_names_are_refused(name: str) -> None:
    with pytest.raises(ClientNameError, match=r"client name .* expected 1 to 64 letters"):
        check_name(name)


def test_what_a_stranger_wrote_is_quoted_shortened() -> None:
    with pytest.raises(ClientNameError) as caught:
        check_name("\x1b[31m" * 1000)
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)


def test_classification_needs_two_classes() -> None:
    with pytest.raises(ValidationError, match="classification needs a width of at least 2 classes"):
        Output(width=1)
    assert Output(task="regression", width=1).row_shape == (1,)
