"""The page that an error names is there, with the heading."""

import re
from pathlib import Path

import pytest

from limbeck_common.core import errors
from limbeck_common.support.cli import see

DOCS = Path(__file__).parents[2] / "docs"
EXPLAINED = [each for each in vars(errors).values() if isinstance(each, type) and getattr(each, "page", "")]


@pytest.mark.parametrize("error", EXPLAINED, ids=lambda error: error.__name__)
def test_an_errors_page_is_there(error: type[errors.LimbeckError]) -> None:
    page, _, anchor = error.page.partition("#")
    headings = re.findall(r"^#+ (.+)$", (DOCS / page).read_text(), re.MULTILINE)
    assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_addresses_are_those_of_the_site() -> None:
    assert see(errors.PolicyError("no")) == "; see https://limbeck.github.io/limbeck/own-model/#you-decide-what-leaves"
    assert see(errors.MethodError("no")) == "; see https://limbeck.github.io/limbeck/own-method/"
    assert see(errors.UnreachableError("no")) == "; see https://limbeck.github.io/limbeck/#when-something-goes-wrong"
    assert see(errors.EndedError("no")) == ""
