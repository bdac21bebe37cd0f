"""What a client is put through, and how it did. No I/O."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Self


class Situation(StrEnum):
    """What happens to a client, and what it must do then, in the order in which it happens.

    `round` is the round of the Push that meets it, or of the downlink that a Pull waits for.
    """

    round: int
    what: str
    expected: str

    IDLE = "idle", 1, "a Pull is answered Idle", "the same Pull again"
    NEW_EPOCH = "new epoch", 1, "a Pull is refused as WRONG_EPOCH", "Join, then the same Pull again"
    ALIVE = "alive", 1, "the client works on a round", "a Pull that stays open meanwhile"
    LOST_RECEIPT = "lost receipt", 1, "a Push is counted, and its receipt is lost", "the same Push again"
    STORE_FULL = "store full", 2, "a Push is refused as STORE_FULL", "the same Push again"
    CUT_DOWNLINK = "cut downlink", 3, "a downlink breaks off in its payload", "the same Pull again"
    LATE = "late", 3, "a Push is answered LATE", "a Push for the next round"
    KILLED = "killed", 4, "the client is killed before it has its receipt", "Join, then the same Push again"
    CLOSING = "closing", 6, "the closing round", "a Push without parts"
    ENDED = "ended", 6, "the federation has ended", "an end with status 0"

    def __new__(cls, name: str, number: int, what: str, expected: str) -> Self:
        """Return a member, which is its name, with the rest as attributes."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.round, member.what, member.expected = number, what, expected
        return member


ROUNDS = 5  # without the closing one
_DISTURBED_PULLS = (Situation.IDLE, Situation.NEW_EPOCH, Situation.CUT_DOWNLINK)


class Trial:
    """One client's way through all situations: it is put into each once.

    >>> trial = Trial()
    >>> print(trial.pulled(after=0))
    idle
    >>> trial.pulled(after=1)
    >>> print(next(trial.lines()))
    FAILED  idle: a Pull is answered Idle; expected the same Pull again; found a Pull after round 1
    """

    def __init__(self) -> None:
        self._met: set[Situation] = set()
        self._judged: dict[Situation, str] = {}  # what was found, empty where it was as expected
        self._pushes: Counter[int] = Counter()
        self._digests: dict[int, bytes] = {}
        self._joined = False  # since the last disturbance
        self._disturbed: tuple[Situation, int] | None = None  # the last Pull, and the round that it was after

    def joined(self) -> None:
        """Note a Join that makes a member."""
        self._joined = True

    def pulled(self, after: int) -> Situation | None:
        """Judge a Pull; return how it is to be disturbed."""
        if self._disturbed is not None:
            situation, wanted = self._disturbed
            self._disturbed = None
            if situation is Situation.NEW_EPOCH and not self._joined:
                self._judge(situation, "no Join")
            self._judge(situation, "" if after == wanted else f"a Pull after round {after}")
        for situation in _DISTURBED_PULLS:
            if situation.round == after + 1 and self._meet(situation):
                self._disturbed, self._joined = (situation, after), False
                return situation
        return None

    def pushed(self, number: int, digest: bytes, parts: int, *, pulling: bool) -> None:
        """Judge a Push; `pulling` says whether a Pull is open beside it."""
        self._pushes[number] += 1
        same = self._digests.setdefault(number, digest) == digest
        if self._meet(Situation.ALIVE):
            self._judge(Situation.ALIVE, "" if pulling else "no Pull beside the first Push")
        for situation in (Situation.LOST_RECEIPT, Situation.STORE_FULL, Situation.KILLED):
            if self._pending(situation) and number == situation.round:
                joined = situation is not Situation.KILLED or self._joined
                found = "another digest for the same round" if not same else "no Join"
                self._judge(situation, "" if same and joined else found)
            elif self._pending(situation) and number > situation.round:
                self._judge(situation, f"a Push for round {number}")
        if self._pending(Situation.LATE) and number > Situation.LATE.round:
            self._judge(Situation.LATE, "")
        if number > ROUNDS and self._meet(Situation.CLOSING):
            self._judge(Situation.CLOSING, f"{parts} parts" if parts else "")

    def disturbs(self, situation: Situation, number: int) -> bool:
        """Say whether a Push of a round is to be disturbed in this way now."""
        if situation.round != number or not self._meet(situation):
            return False
        self._joined = False
        return True

    def ended(self, status: int) -> None:
        """Judge the status with which the client ended."""
        self._met.add(Situation.ENDED)
        self._judge(Situation.ENDED, f"status {status}" if status else "")

    @property
    def passed(self) -> bool:
        """Whether the client did as expected in every situation."""
        return self._judged.keys() == set(Situation) and not any(self._judged.values())

    def lines(self) -> Iterator[str]:
        """Yield a line per situation."""
        for each in Situation:
            if self._judged.get(each) == "":
                yield f"passed  {each}: {each.what}; {each.expected}"
            elif each in self._met:
                found = self._judged.get(each, "nothing")
                yield f"FAILED  {each}: {each.what}; expected {each.expected}; found {found}"
            else:
                yield f"FAILED  {each}: {each.what}; the client did not come that far"

    def _meet(self, situation: Situation) -> bool:
        new = situation not in self._met
        self._met.add(situation)
        return new

    def _pending(self, situation: Situation) -> bool:
        return situation in self._met and situation not in self._judged

    def _judge(self, situation: Situation, found: str) -> None:
        self._judged.setdefault(situation, found)
