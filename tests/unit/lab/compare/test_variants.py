"""Which variants a comparison is asked for."""

import re
from pathlib import Path

import pytest

from limbeck_common.core.errors import SetupError
from limbeck_lab.compare.plan import by_label
from limbeck_lab.compare.variants import read_methods, read_tables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dsfl", [("dsfl", "dsfl", {})]),
        ("dsfl,fedmd", [("dsfl", "dsfl", {}), ("fedmd", "fedmd", {})]),
        ("dsfl:aggregation=sa", [("dsfl-aggregation=sa", "dsfl", {"aggregation": "sa"})]),
        (
            "cfd:bits=1,beta=0.5,dsfl",
            [("cfd-bits=1-beta=0.5", "cfd", {"bits": "1", "beta": "0.5"}), ("dsfl", "dsfl", {})],
        ),
        ("own.module:Class:a=1", [("own.module-Class-a=1", "own.module:Class", {"a": "1"})]),
    ],
)
def test_methods_are_read_with_their_options(text: str, expected: list[tuple[str, str, dict[str, str]]]) -> None:
    assert [(one.label, one.method, one.options) for one in read_methods(text)] == [
        (label.replace(",", "-"), method, options) for label, method, options in expected
    ]


@pytest.mark.parametrize("text", ["", "dsfl,,fedmd", "aggregation=sa", "dsfl:", "a:b:c"])
def test_what_is_no_method_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="expected METHOD"):
        read_methods(text)


@pytest.mark.parametrize(
    "content",
    ["", "x", "variants = 3", "[variants.a]\n", '[variants.a]\nmethod = "dsfl"\nfederation.seed = 3\n', "[other]\n"],
)
def test_a_variants_file_of_another_form_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "variants.toml"
    file.write_text(content)
    with pytest.raises(SetupError, match=re.escape("variants.toml")):
        by_label(read_tables(file))


def test_two_variants_of_one_name_are_refused() -> None:
    with pytest.raises(SetupError, match="two variants are named dsfl"):
        by_label(read_methods("dsfl,dsfl"))
    with pytest.raises(SetupError, match="nothing to compare"):
        by_label([])
