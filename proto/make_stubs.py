#!/usr/bin/env python3
"""Generate the protobuf and gRPC stubs: `python proto/make_stubs.py OUTPUT_FOLDER`."""

import sys
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).parent


def generate(output: Path) -> None:
    """Write `*_pb2.py`, `*_pb2.pyi` and `*_pb2_grpc.py` into `output` for every .proto file beside this script.

    Raises:
        RuntimeError: protoc refused a file; its own message is on standard error.
    """
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    outputs = [f"--{kind}_out={output}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"--proto_path={PROTO}", *outputs, *files]):
        raise RuntimeError(f"protoc failed on the files under {PROTO}")


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
