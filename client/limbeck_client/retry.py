"""How a call that failed is tried again: at growing intervals, until patience ends. Pure."""

from dataclasses import dataclass

from limbeck_common.core.errors import LimbeckError, RefusalError, UnreachableError

FIRST_PAUSE = 0.2  # seconds; doubled at each failure in a row
LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Attempts:
    """The failures in a row of one call: the last one's error, the pause to make now, and the seconds that all took."""

    error: LimbeckError | None = None
    pause: float = 0.0
    seconds: float = 0.0

    def after(self, error: LimbeckError, seconds: float) -> "Attempts":
        """Return the attempts after one more, which took `seconds`, its pause included."""
        pause = min(max(2 * self.pause, FIRST_PAUSE), LONGEST_PAUSE)
        return Attempts(error, pause, self.seconds + seconds)


NO_ATTEMPTS = Attempts()


def is_transient(error: LimbeckError) -> bool:
    """Say whether what failed may succeed later, unchanged."""
    return isinstance(error, UnreachableError) or (isinstance(error, RefusalError) and error.again)
