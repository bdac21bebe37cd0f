"""When a failed call is tried again: at growing intervals, until patience runs out. Pure; `backoff` waits."""

from dataclasses import dataclass

from limbeck_common.core.errors import LimbeckError, RefusalError, UnreachableError

FIRST_PAUSE = 0.2  # seconds; doubled after every further failure
LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Attempts:
    """The failures of one call since it last succeeded.

    `pause`: seconds to wait before the next attempt. `seconds`: what all failed attempts took, pauses included.

    >>> from limbeck_common.core.errors import UnreachableError
    >>> first = NO_ATTEMPTS.again(UnreachableError("no answer"), seconds=1.0, patience=3600.0)
    >>> first.pause, first.seconds
    (0.2, 1.0)
    """

    error: LimbeckError | None = None
    pause: float = 0.0
    seconds: float = 0.0

    def again(self, error: LimbeckError, seconds: float, patience: float) -> "Attempts | None":
        """Return the attempts after one more failure, which took `seconds`; None where trying again is of no use.

        It is of no use where the error is permanent, or where the failed attempts took `patience` seconds or more.
        """
        total = self.seconds + seconds
        if not is_transient(error) or total >= patience:
            return None
        return Attempts(error, min(max(2 * self.pause, FIRST_PAUSE), LONGEST_PAUSE), total)


NO_ATTEMPTS = Attempts()


def is_transient(error: LimbeckError) -> bool:
    """Return whether the same call may succeed later."""
    return isinstance(error, UnreachableError) or (isinstance(error, RefusalError) and error.again)
