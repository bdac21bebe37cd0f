"""The glossary holds the code to its words: each defined one is used, none of the retired ones is."""

import io
import re
import tokenize
from pathlib import Path

import pytest
from support.glossary import PAGE, WHERE, defined, retired

ROOT = PAGE.parents[1]
PRODUCT = ("proto", "common", "server", "client", "lab")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# A paper's venue, and the words of ruff and of licences.
_PASSED = re.compile(r"NeurIPS[\w\s,]*[Ww]orkshops?|([Tt]hird|[Ff]irst)[ -]part(y|ies)")


def files(*suffixes: str) -> list[Path]:
    """Return our own files of these kinds."""
    rooms = [ROOT / name for name in (*PRODUCT, "tests", "deploy", "docs")]
    paths = [*ROOT.glob("*"), *(path for room in rooms for path in sorted(room.rglob("*")))]
    ours = [path for path in paths if path.suffix in suffixes and path.is_file()]
    return [path for path in ours if not re.search(r"/wire/v1/\w+\.pyi?$", f"{path}")]  # stubs are made from proto/


def parts(text: str) -> list[str]:
    return [part.lower() for part in _PARTS.findall(text)]


def names(source: str) -> set[str]:
    """Return a Python file's names, but those of tests, which are sentences."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {each.string for each in tokens if each.type == tokenize.NAME and not each.string.startswith("test_")}


@pytest.fixture(scope="module")
def code() -> str:
    """All that the product and the tests' shared parts say, in lower-case words: identifiers are split."""
    sources = [path for path in files(".py", ".proto") if path.relative_to(ROOT).parts[0] in PRODUCT]
    shared = [path for path in sorted((ROOT / "tests" / "support").glob("*.py")) if path.stem != "glossary"]
    return f" {' '.join(part for path in [*sources, *shared] for part in parts(path.read_text()))} "


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
    assert "Kept" in retired()["exactly"]


def test_no_retired_word_occurs() -> None:
    assert retired_words() == []


def retired_words() -> list[str]:
    """Return the place of each retired word that still stands somewhere, and the word."""
    words = retired()
    found = []
    for path in files(".py", ".md", ".proto", ".toml", ".yaml", ".j2", ".service"):
        if path == PAGE:
            continue
        where, text = path.relative_to(ROOT), path.read_text()
        found += [f"{where}: {word}" for word in sorted(set(parts(_PASSED.sub("", text))) & words["anywhere"].keys())]
        if path.suffix != ".py":
            continue
        found += [f"{where}: the file's name" for _ in words["file"].keys() & {path.stem}]
        for name in sorted(names(text)):
            wrong = words["name"].keys() & set(parts(name)) or words["exactly"].keys() & {name}
            found += [f"{where}: {name}: {word}" for word in sorted(wrong)]
    return found
