"""Retired words, which docs/glossary.md lists: where one of them still stands."""

import io
import re
import tokenize
from collections.abc import Iterable, Iterator

from support.glossary import retired

from house.files import File

_EXEMPT = {"docs/glossary.md", "tests/contract/test_house.py"}  # the list itself; what must be found
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_WORDS = re.compile(r"[A-Za-z_]\w*")
# A paper's venue, and the words of ruff and of licences.
_PASSED = re.compile(r"NeurIPS[\w\s,]*[Ww]orkshops?|([Tt]hird|[Ff]irst)[ -]part(y|ies)")


def found(files: Iterable[File]) -> list[str]:
    """Return a line for each retired word that stands somewhere: the place, the word and what to say instead."""
    words = retired()
    return [line for file in files if str(file.path) not in _EXEMPT for line in _found(file, words)]


def _found(file: File, words: dict[str, dict[str, str]]) -> Iterator[str]:
    stem = file.path.stem
    if file.path.suffix == ".py":
        for where, wrong in (("file", {stem}), ("name", set(_parts(stem)))):
            for word in sorted(wrong & words[where].keys()):
                yield f"{file.path}: {word} -> {words[where][word]}"
        for number, name in _names(file.text):
            for word in _retired_in_name(name, words):
                yield f"{file.path}:{number}: {name}: {word} -> {words['name'].get(word) or words['exactly'][word]}"
    for number, line in enumerate(_PASSED.sub("", file.text).splitlines(), start=1):
        for name in _WORDS.findall(line):
            for word in sorted({part for part in _parts(name) if part in words["anywhere"]}):
                yield f"{file.path}:{number}: {name}: {word} -> {words['anywhere'][word]}"


def _names(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def _retired_in_name(name: str, words: dict[str, dict[str, str]]) -> list[str]:
    if name.startswith("test_"):  # a sentence
        return []
    if name in words["exactly"]:
        return [name]
    return sorted({part for part in _parts(name) if part in words["name"]})


def _parts(name: str) -> list[str]:
    return [part.lower() for part in _PARTS.findall(name)]
