"""The SHA-256 that names what parts hold, wherever they are: on the wire, in a store, in a client's checkpoint.

docs/protocol.md, "Digests", has the same rule in prose, and proto/vectors.json has examples.
"""

import hashlib

import numpy as np

from limbeck_common.core.arrays.encodings import encoding_of
from limbeck_common.core.arrays.tensors import travelling
from limbeck_common.core.blocks import Block, Parts, Rows
from limbeck_common.wire.payload import digest_tensors


def parts_digest(parts: Parts) -> bytes:
    """Return the digest of parts; that of the empty string where there are none.

    >>> parts_digest({}).hex()[:8]
    'e3b0c442'
    """
    hasher = hashlib.sha256()
    for name, block in sorted(parts.items()):
        hasher.update(b"%d %b\n" % (len(name.encode()), name.encode()))
        _add(hasher, block)
    return hasher.digest()


def _add(hasher: "hashlib._Hash", block: Block) -> None:
    """Add a block: a line that says what it is, then its keys, their weights and its arrays as they travel."""
    each = isinstance(block.weight, np.ndarray)
    weight = "keys" if each else block.weight
    if isinstance(block.keys, Rows):
        shape = "x".join(map(str, block.array.shape[1:]))
        hasher.update(f"{block.space} {block.kind} {encoding_of(block.array)} [{shape}] {weight}\n".encode())
        digest_tensors(hasher, [block.keys.indices])
    else:
        hasher.update(f"{block.space} {block.kind} float32 [] {weight}\n".encode())
        for name in map(str.encode, block.keys):
            hasher.update(b"%d %b\n" % (len(name), name))
    if isinstance(block.weight, np.ndarray):
        digest_tensors(hasher, [block.weight])
    digest_tensors(hasher, [array for tensor in block.values for array in travelling(tensor)])
