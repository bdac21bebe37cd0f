"""`make fuzz-atheris`: the codec under a fuzzer that keeps what reaches new branches, and goes on from that."""

import sys
from random import Random

try:
    import atheris
except ImportError:
    sys.exit("atheris is not here; it has wheels for Python 3.11 to 3.13 on Linux: pip install '.[fuzz]'")

with atheris.instrument_imports(
    include=["limbeck_common.wire", "limbeck_common.core.messages", "limbeck_common.core.seeds"]
):
    from fuzz.wire_subjects import DownlinkHead, Indices, UplinkHead

SUBJECTS = (Indices(), UplinkHead(), DownlinkHead())
COUNTS = {"accepted": 0, "refused": 0}


def judge(data: bytes) -> None:
    """Judge input, whose first byte says for whom it is. Raises for a find, which ends the run."""
    if data:
        subject = SUBJECTS[data[0] % len(SUBJECTS)]
        COUNTS[subject.outcome(data[1:]).partition(" ")[0]] += 1


def change(data: bytes, most: int, seed: int) -> bytes:
    """Return changed input: by the fuzzer's own ways, or by fields and sizes where it would find few of them."""
    random = Random(seed)  # noqa: S311 - the fuzzer's own seed
    if random.random() < 0.5:
        return bytes(atheris.Mutate(data, most))
    which = random.randrange(len(SUBJECTS))
    return (bytes([which]) + SUBJECTS[which].draw(random))[:most]


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge, custom_mutator=change)
    atheris.Fuzz()
