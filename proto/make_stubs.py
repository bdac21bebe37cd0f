"""Generate the protobuf and gRPC stubs: `python -m limbeck_lab.stubs PROTO_FOLDER OUTPUT_FOLDER`."""

import sys
from pathlib import Path


def generate(source: Path, output: Path) -> None:
    """Write `*_pb2.py`, `*_pb2.pyi` and `*_pb2_grpc.py` for every .proto file under `source`.

    Raises:
        RuntimeError: protoc refused a file; its own message stands on stderr.
    """
    from grpc_tools import protoc  # noqa: PLC0415 - a development tool, not installed with the lab

    files = sorted(str(path.relative_to(source)) for path in source.rglob("*.proto"))
    outputs = [f"--{kind}_out={output}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"--proto_path={source}", *outputs, *files]):
        raise RuntimeError(f"protoc failed on the files under {source}")


if __name__ == "__main__":
    generate(Path(sys.argv[1]), Path(sys.argv[2]))
