"""Retired words: where one of them still stands."""

import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from house.files import File

LIST = Path(__file__).with_name("retired.txt")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_WORDS = re.compile(r"[A-Za-z_]\w*")
_PASSED = re.compile(r"NeurIPS[\w\s,]*[Ww]orkshops?|[Tt]hird[ -]part(y|ies)")  # a paper's venue; a licence's words


def retired() -> dict[str, dict[str, str]]:
    """Return, for each of text, part, name and module, the words with what to say instead."""
    words: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            left, _, instead = line.partition(" -> ")
            where, word = left.split()
            words[where][word] = instead.strip()
    return dict(words)


def found(files: Iterable[File]) -> list[str]:
    """Return a line for each retired word that stands somewhere: the place, the word and what to say instead."""
    words = retired()
    return [line for file in files for line in _found(file, words)]


def _found(file: File, words: dict[str, dict[str, str]]) -> Iterator[str]:
    stem = file.path.stem
    if file.path.suffix == ".py":
        for where, wrong in (("module", {stem}), ("part", set(_parts(stem)))):
            for word in sorted(wrong & words[where].keys()):
                yield f"{file.path}: {word} -> {words[where][word]}"
        for number, name in _names(file.text):
            for word in _retired_in_name(name, words):
                yield f"{file.path}:{number}: {name}: {word} -> {words['part'].get(word) or words['name'][word]}"
    for number, line in enumerate(_PASSED.sub("", file.text).splitlines(), start=1):
        for name in _WORDS.findall(line):
            for word in sorted({part for part in _parts(name) if part in words["text"]}):
                yield f"{file.path}:{number}: {name}: {word} -> {words['text'][word]}"


def _names(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def _retired_in_name(name: str, words: dict[str, dict[str, str]]) -> list[str]:
    if name.startswith("test_"):  # a sentence
        return []
    if name in words["name"]:
        return [name]
    return sorted({part for part in _parts(name) if part in words["part"]})


def _parts(name: str) -> list[str]:
    return [part.lower() for part in _PARTS.findall(name)]
