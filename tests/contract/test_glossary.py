"""The glossary holds the code to its words. That no retired one is left, test_house.py holds."""

import re

import pytest
from house.files import files
from support.glossary import WHERE, defined, retired

_FOLDERS = ("proto/", "common/", "server/", "client/", "lab/", "tests/support/")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def parts(text: str) -> list[str]:
    return [part.lower() for part in _PARTS.findall(text)]


@pytest.fixture(scope="module")
def code() -> str:
    """All that the product, proto/ and the tests' shared parts say, in lower-case words: identifiers are split."""
    read = [each for each in files() if each.path.suffix in {".py", ".proto"} and str(each.path).startswith(_FOLDERS)]
    return f" {' '.join(part for each in read if each.path.stem != 'glossary' for part in parts(each.text))} "


def test_words_are_in_alphabetical_order() -> None:
    assert len(defined()) > 60
    assert defined() == sorted(defined(), key=str.lower)


@pytest.mark.parametrize("word", defined())
def test_a_defined_word_occurs_in_the_code(word: str, code: str) -> None:
    said = " ".join(parts(word))
    assert f" {said} " in code or f" {said}s " in code


def test_the_table_of_retired_words_names_a_place_for_each() -> None:
    assert set(retired()) == set(WHERE)
    assert retired()["name"]["visit"] == "`local_round`"
    assert {"Kept", "Late"} <= retired()["exactly"].keys()
