"""`make fuzz`: 100,000 damaged inputs. Ends with 1 on a crash, a hang, growth, or an invalid one accepted.

Each find is written to a file, which tests/attacks keeps once it is mended.
"""

import argparse
import asyncio
import faulthandler
import hashlib
import os
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

import psutil
import structlog
from fuzz.damage import frames
from fuzz.network import WireError, barrage
from fuzz.subject import Subject
from fuzz.subjects import MAKERS, make

HANG_SECONDS = 60  # for inputs that take milliseconds
GROWTH_BYTES = 32 << 20
PEAK_BYTES = 256 << 20  # above the warm size, at any moment
WARM = 0.25  # of the inputs: caches and the allocator have settled by then
NETWORK = 0.05  # of the inputs go over the wire
_LINE_SECONDS = 10.0


class Run:
    """Counts outcomes, says how it goes, and keeps finds."""

    def __init__(self, messages: int, finds: Path) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.finds: set[str] = set()
        self._messages = messages
        self._folder = finds
        self._began = self._said = time.monotonic()

    def judge(self, subject: Subject, data: bytes) -> None:
        """Judge one input; keep it where it is a find of a new kind."""
        try:
            self.outcomes[subject.name, subject.outcome(data)] += 1
        except Exception as error:  # noqa: BLE001 - every other end is a find
            self.outcomes[subject.name, "FOUND"] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
            self.keep(subject.name, where, str(error), data)

    def keep(self, name: str, where: str, what: str, data: bytes) -> None:
        """Keep a find, the first of its kind."""
        if (kind := f"{name}: {where}") in self.finds:
            return
        self.finds.add(kind)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}--{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        sys.stderr.write(f"FOUND {kind}: {what[:300]}; kept as {path}\n")

    def say(self) -> None:
        """Print a line of progress, now and then."""
        now = time.monotonic()
        if now - self._said >= _LINE_SECONDS:
            self._said = now
            done = self.outcomes.total()
            rate = done / (now - self._began)
            sys.stdout.write(f"{done:>9,} of {self._messages:,}  {rate:,.0f}/s  {rss() >> 20} MiB\n")
            sys.stdout.flush()


def rss() -> int:
    """Return this process's size, in bytes."""
    return int(psutil.Process().memory_info().rss)


def peak() -> int:
    """Return the largest size that it has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _over_the_wire(run: Run, messages: int, random: Random) -> None:
    try:
        for outcome, count in asyncio.run(barrage(messages, random)).items():
            run.outcomes["over the wire", outcome] += count
    except WireError as error:
        run.keep("wire", error.call, str(error), frames(error.sent))


def main() -> int:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--subject", choices=list(MAKERS), action="append")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    sys.stdout.write(f"seed {options.seed}\n")
    random = Random(options.seed)  # noqa: S311 - to be run again
    run = Run(options.messages, options.finds)
    subjects = [make(name) for name in options.subject or MAKERS]
    shares = [subject.share for subject in subjects]
    direct = round(options.messages * (1 - NETWORK))
    try:
        warm = 0
        for number in range(direct):
            if number % 100 == 0:
                faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
                run.say()
            if number == int(direct * WARM):
                warm = rss()
            (subject,) = random.choices(subjects, shares)
            run.judge(subject, subject.draw(random))
        grown, high = rss() - warm, peak() - warm
        faulthandler.dump_traceback_later(10 * HANG_SECONDS, exit=True)
        if not options.subject:
            _over_the_wire(run, options.messages - direct, random)
        faulthandler.cancel_dump_traceback_later()
    finally:
        for subject in subjects:
            subject.close()
    for (subject_name, outcome), count in sorted(run.outcomes.items()):
        sys.stdout.write(f"{count:>9,}  {subject_name:<15} {outcome}\n")
    sys.stdout.write(f"{run.outcomes.total():>9,}  in all, {len(run.finds)} kinds of find\n")
    sys.stdout.write(f"memory: {warm >> 20} MiB warm, {grown / 2**20:+.1f} at the end, {high / 2**20:+.1f} at most\n")
    return 1 if run.finds or grown > GROWTH_BYTES or high > PEAK_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
