"""What clients in other languages build on is what the code does: vectors, schema, methods' page."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fuzz.wire_subjects import check_plainly, plain_rows
from support.finished_store import specify

from limbeck_common.core.spec import Output, Spec
from limbeck_common.wire.v1 import block_pb2

PROTO = Path(__file__).parents[2] / "proto"
PAGES = ("proto/vectors.json", "proto/specification.schema.json", "docs/methods.md")
VECTORS = json.loads((PROTO / "vectors.json").read_text())


def test_the_pages_are_those_that_the_code_makes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(PROTO / "make_pages.py"), str(tmp_path / "proto"), str(tmp_path / "docs")], check=True
    )
    for page in PAGES:
        assert (tmp_path / page).read_text() == (PROTO.parent / page).read_text(), "run make pages"


@pytest.mark.parametrize("vector", VECTORS["parts"], ids=lambda vector: vector["shows"])
def test_a_reader_of_the_protocol_alone_finds_the_digests_and_rows(vector: dict[str, Any]) -> None:
    message = block_pb2.Parts()
    message.MergeFromString(base64.b64decode(vector["head"]))
    assert check_plainly(message.parts, bytes.fromhex(vector["payload"]), 1000).hex() == vector["digest"]
    for part in message.parts:
        if part.block.HasField("open_indices"):
            assert plain_rows(part.block.open_indices) == vector["rows"][part.name]


def test_samples_and_seeds_are_those_of_the_page() -> None:
    for each in VECTORS["samples"]:
        fields = {name: each[name] for name in ("seed", "count", "population")}
        assert plain_rows(block_pb2.Indices(sample=block_pb2.SeededSample(**fields))) == each["rows"]


def test_every_specification_has_the_schema_and_another_one_has_not() -> None:
    schema = json.loads((PROTO / "specification.schema.json").read_text())
    plain = json.loads(specify("dsfl").model_dump_json())
    jsonschema.validate(plain, schema)
    wide = Spec(output=Output(task="regression", width=1), sample_shape=(3,), sample_dtype="<f4", open_rows=0)
    jsonschema.validate(json.loads(wide.model_dump_json()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain | {"rounds": 0}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain | {"clases": 3}, schema)
