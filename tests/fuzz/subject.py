"""What a fuzzed input may come to: accepted and valid, or refused by name. All else is a find."""

import gc
from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar

from fuzz.damage import mutate
from google.protobuf.message import Message

from limbeck_common.core.errors import LimbeckError, RefusalError


class Subject(ABC):
    """One reader of input that others wrote."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[type[Message], ...]] = ()  # how its input is built: see `damage.mutate`
    share: ClassVar[float] = 1.0  # of an equal number of inputs; less for slow ones
    seeds: list[bytes]

    @abstractmethod
    def judge(self, data: bytes) -> None:
        """Read input. Returns where it is accepted and, by another way than the reader's, found valid.

        Raises:
            LimbeckError: it is refused.
            AssertionError: it is accepted and invalid.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Give back what it holds."""

    def draw(self, random: Random) -> bytes:
        """Return damaged input; a valid one now and then."""
        seed = random.choice(self.seeds)
        return seed if random.random() < 0.02 else mutate(seed, self.kinds, random)

    def outcome(self, data: bytes) -> str:
        """Return what became of input. Raises whatever the reader should not."""
        gc.disable()  # or what is collected where a parser stands at its deepest could not be finalised there
        try:
            self.judge(data)
        except RefusalError as error:
            return f"refused {error.reason}"
        except LimbeckError as error:
            return f"refused {type(error).__name__}"
        finally:
            gc.enable()
        return "accepted"
