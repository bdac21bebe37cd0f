#!/usr/bin/env python3
"""Write what clients build on beside the protocol's page: `python proto/make_pages.py OUTPUT_FOLDER`.

vectors.json                     samples, seeds, and parts with their heads, payloads and digests, to test a codec with
specification.schema.json        the JSON schema of the specification
methods.md                       each built-in method's parts, from what it declares
"""

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from limbeck_common.core.arrays.encodings import FLOAT16, OneClass, Quantised, Top
from limbeck_common.core.blocks import Block, Parts, Rows, Space, parameters, soft_labels
from limbeck_common.core.form import Form
from limbeck_common.core.kinds import Kind
from limbeck_common.core.seeds import Sample, derive
from limbeck_common.core.spec import Output, Spec
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.methods.method import TakesModels
from limbeck_common.methods.registry import METHODS
from limbeck_common.wire.blocks import encode_parts
from limbeck_common.wire.digest import parts_digest
from limbeck_common.wire.payload import chunks
from limbeck_common.wire.v1 import block_pb2

_CLASSES = 10
_SPEC = Spec(output=Output(width=_CLASSES), sample_shape=(1, 8, 8), sample_dtype="|u1", open_rows=1000)
_LABELS = np.array([[0.5, 0.25, 0.125, 0.125], [0.0, 0.75, 0.25, 0.0]], np.float32)
_ROWS = Rows(np.array([3, 8]))


def parts() -> dict[str, Parts]:
    """Return parts of every kind of keys, weights and encoding, by what they show."""
    averages = Block(Space.CLASSES, Rows(np.array([0, 2])), Kind.FEATURES, (np.ones((2, 3), np.float32),))
    sampled = Rows.drawn(Sample(7, 2, 20))
    return {
        "no parts": {},
        "labels as float32": {"labels": soft_labels(_ROWS, _LABELS)},
        "labels as float16": {"labels": soft_labels(_ROWS, FLOAT16.encode(_LABELS, Kind.PROBABILITIES))},
        "labels of a seeded sample": {"labels": soft_labels(sampled, _LABELS)},
        "labels of no rows": {"labels": soft_labels(Rows(np.zeros(0, np.int64)), _LABELS[:0])},
        "labels in 3 bits": {"labels": soft_labels(_ROWS, Quantised(3).encode(_LABELS, Kind.PROBABILITIES))},
        "the likeliest class alone": {"labels": soft_labels(_ROWS, OneClass().encode(_LABELS, Kind.PROBABILITIES))},
        "the two largest labels": {"labels": soft_labels(_ROWS, Top(2).encode(_LABELS, Kind.PROBABILITIES))},
        "100 rows that deflate": {
            "labels": soft_labels(
                Rows(np.arange(100)), OneClass().encode(_LABELS[:1].repeat(100, axis=0), Kind.PROBABILITIES)
            )
        },
        "a number per class": {"counts": Block(Space.CLASSES, _ROWS, Kind.COUNTS, (np.array([5, 2], np.float32),))},
        "means per class, weighed by class": {
            "means": Block(averages.space, averages.keys, averages.kind, averages.values, np.array([12, 7]))
        },
        "a model": {"model": parameters({"weight": np.ones((2, 3)), "bias": np.zeros(2)}, weight=60)},
        "made images and their labels": {
            "images": Block(Space.MADE, Rows(np.arange(2)), Kind.SAMPLES, (np.zeros((2, 1, 2, 2), np.uint8),)),
            "labels": Block(Space.MADE, Rows(np.arange(2)), Kind.PROBABILITIES, (_LABELS,)),
        },
    }


def vectors() -> dict[str, Any]:
    """Return the test vectors, as JSON has them."""
    samples = [Sample(1, 4, 100), Sample(2**63 - 1, 3, 9), Sample(5, 0, 7), Sample(0, 6, 6)]
    labels = [(0, ("open rows", 3)), (42, ("partition", "iid"))]
    open_rows = np.arange(24, dtype=np.uint8).reshape(2, 1, 3, 4)
    return {
        "samples": [vars(sample) | {"rows": sample.draw().tolist()} for sample in samples],
        "derived seeds": [
            {"text": "/".join(map(str, (seed, *each))), "seed": derive(seed, *each)} for seed, each in labels
        ],
        "open data": {
            "type": "|u1",
            "shape": list(open_rows.shape),
            "bytes": open_rows.tobytes().hex(),
            "digest": open_digest(open_rows).hex(),
        },
        "parts": [_vector(shows, each) for shows, each in parts().items()],
    }


def _vector(shows: str, each: Parts) -> dict[str, Any]:
    head = block_pb2.Parts()
    payload = b"".join(chunks(encode_parts(each, head.parts)))
    return {
        "shows": shows,
        "message": MessageToDict(head),
        "head": base64.b64encode(head.SerializeToString(deterministic=True)).decode(),
        "payload": payload.hex(),
        "rows": {name: block.rows.tolist() for name, block in each.items() if isinstance(block.keys, Rows)},
        "decoded": {name: [np.asarray(values[:]).tolist() for values in each[name].values] for name in each},
        "digest": parts_digest(each).hex(),
    }


def methods() -> str:
    """Return the page of the methods' parts."""
    return "\n".join(
        [
            "# Methods and their parts",
            "What each built-in method's uplinks and aggregates hold, as it declares it: with its default options, for",
            f"an output of {_CLASSES} classes. What a client does with an aggregate is in",
            "[the protocol](protocol.md#parts). `make pages` writes this page.",
            "",
            *(line for name in sorted(METHODS) for line in _method(name)),
        ]
    )


def _method(name: str) -> Iterator[str]:
    method = METHODS[name]()
    forms = method.forms(_SPEC)
    summary = (METHODS[name].__doc__ or "").partition("\n")[0]
    yield from (f"## {name}", summary, "")
    if not forms.up and not forms.down:
        yield from ("It exchanges no parts.", "")
    else:
        yield "| part | direction | kind | keys | one key's values | encodings | keys left out | weighed |"
        yield "|---|---|---|---|---|---|---|---|"
        yield from _rows("up", forms.up)
        yield from _rows("down", forms.down)
        yield ""
    needs = ["open rows"] if method.needs_open else []
    needs += ["the same model on both sides"] if isinstance(method, TakesModels) else []
    yield from (f"Needs: {', '.join(needs) or 'nothing more'}.", "")
    yield from ("| option | default | what it is |", "|---|---|---|")
    for option, field in METHODS[name].model_fields.items():
        yield f"| `{option}` | `{json.dumps(field.default)}` | {field.description or ''} |"
    yield ""


def _rows(direction: str, forms: Mapping[str, Form]) -> Iterator[str]:
    for part, form in forms.items():
        shape = "a model's parameters" if form.space is Space.PARAMETERS else f"`{list(form.row_shape)}`"
        encodings = ", ".join(map(str, form.encodings))
        cells = [f"`{part}`", direction, form.kind, form.space, shape, encodings, "yes" if form.partial else "no"]
        yield f"| {' | '.join([*cells, form.weights])} |"


def write(folder: Path, pages: Path) -> None:
    """Write the three files."""
    for each in (folder, pages):
        each.mkdir(exist_ok=True)
    schema = Spec.model_json_schema()
    (folder / "vectors.json").write_text(json.dumps(vectors(), indent=1) + "\n")
    (folder / "specification.schema.json").write_text(json.dumps(schema, indent=1) + "\n")
    (pages / "methods.md").write_text(methods() + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
