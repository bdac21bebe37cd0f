"""Row numbers on the wire: a seeded sample, runs or a bitmap, whichever is smallest."""

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.blocks import Rows
from limbeck_common.core.errors import KeysError
from limbeck_common.core.seeds import Sample
from limbeck_common.wire.v1 import block_pb2 as pb


def encode_rows(rows: Rows) -> pb.Indices:
    """Return a seeded sample as such, and any other rows as runs or as a bitmap, whichever is smaller.

    >>> encode_rows(Rows(np.arange(100, 200))).ranges.gaps_and_lengths
    [100, 100]
    """
    if rows.sample is not None:
        sample = rows.sample
        return pb.Indices(sample=pb.SeededSample(seed=sample.seed, count=sample.count, population=sample.population))
    forms = [
        pb.Indices(ranges=pb.Ranges(gaps_and_lengths=_to_runs(rows.indices))),
        pb.Indices(bitmap=pb.Bitmap(bits=_to_bits(rows.indices))),
    ]
    return min(forms, key=lambda form: form.ByteSize())


def decode_rows(message: pb.Indices, population: int) -> Rows:
    """Return the rows that `message` names, all below `population`.

    Raises:
        KeysError: the message has no form, or reaches beyond `population`. This is checked before memory is allocated.
    """
    form = message.WhichOneof("form")
    if form == "sample":
        sample = Sample(message.sample.seed, message.sample.count, message.sample.population)
        if not sample.count <= sample.population <= population:
            raise KeysError(f"a sample of {sample.count} of {sample.population} rows", expected=_within(population))
        return Rows.drawn(sample)
    if form == "ranges":
        runs = message.ranges.gaps_and_lengths
        if len(runs) > 2 * population:
            raise KeysError(f"{len(runs)} gaps and lengths", expected=_within(population))
        return Rows(_from_runs(np.array(runs, np.uint64), population))
    if form == "bitmap":
        bits = message.bitmap.bits
        if len(bits) > (population + 7) // 8:
            raise KeysError(f"a bitmap of {8 * len(bits)} rows", expected=_within(population))
        indices = np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little"))
        if len(indices) and indices[-1] >= population:
            raise KeysError(f"row {indices[-1]}", expected=_within(population))
        return Rows(indices.astype(np.int64))
    raise KeysError("no form of row numbers is set", expected="a sample, ranges or a bitmap")


def _within(population: int) -> str:
    return f"rows below {population}"


def _to_runs(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(indices):
        return indices
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    starts = indices[np.concatenate(([0], breaks))]
    stops = indices[np.concatenate((breaks - 1, [len(indices) - 1]))] + 1
    gaps = starts - np.concatenate(([0], stops[:-1]))
    return np.column_stack((gaps, stops - starts)).ravel()


def _from_runs(runs: NDArray[np.uint64], population: int) -> NDArray[np.int64]:
    # Each number is bounded first, so that a sum of them cannot wrap around.
    if len(runs) % 2:
        raise KeysError(f"{len(runs)} gaps and lengths", expected="pairs of a gap and a length")
    if (runs > population).any():
        raise KeysError(f"a run or a gap of {runs.max()} rows", expected=_within(population))
    ends = np.cumsum(runs.astype(np.int64))
    if len(ends) and ends[-1] > population:
        raise KeysError(f"runs that end at row {ends[-1] - 1}", expected=_within(population))
    starts, lengths = ends[0::2], runs[1::2].astype(np.int64)
    before = np.cumsum(lengths) - lengths  # rows in the runs before each
    indices: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return indices


def _to_bits(indices: NDArray[np.int64]) -> bytes:
    mask = np.zeros(int(indices[-1]) + 1 if len(indices) else 0, np.bool_)
    mask[indices] = True
    return np.packbits(mask, bitorder="little").tobytes()
