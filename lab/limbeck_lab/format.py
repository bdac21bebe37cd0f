"""Numbers as people read them: accuracies, gains, bytes and durations."""

MISSING = "-"
"""What stands for a value that was not measured."""

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")
_UNIT_STEP = 1000
_MINUTES_FROM = 99.95  # seconds; what rounds to 100.0 s is written in minutes


def percent(accuracy: float | None) -> str:
    """Return an accuracy with its sign.

    >>> percent(0.8804)
    '88.0 %'
    """
    return MISSING if accuracy is None else f"{bare_percent(accuracy)} %"


def bare_percent(accuracy: float | None) -> str:
    """Return an accuracy in percent, for a column whose heading says so.

    >>> bare_percent(0.8804)
    '88.0'
    """
    return MISSING if accuracy is None else f"{100 * accuracy:.1f}"


def points(gain: float | None) -> str:
    """Return a difference of accuracies in percentage points, always with its sign.

    >>> points(0.14)
    '+14.0'
    """
    return MISSING if gain is None else f"{round(100 * gain, 1) + 0.0:+.1f}"


def share(fraction: float | None) -> str:
    """Return a fraction in percent with two significant digits.

    >>> share(0.000345)
    '0.034 %'
    """
    return MISSING if fraction is None else f"{float(f'{100 * fraction:.2g}'):g} %"


def human_bytes(count: float | None) -> str:
    """Return a number of bytes in decimal units.

    >>> human_bytes(412_345)
    '412 kB'
    """
    if count is None:
        return MISSING
    count = round(count)
    if count < _UNIT_STEP:
        return f"{count} B"
    value = float(count)
    for unit in _BYTE_UNITS:
        if round(value) < _UNIT_STEP or unit == _BYTE_UNITS[-1]:
            break
        value /= _UNIT_STEP
    digits = 1 if len(f"{value:.1f}") == len("9.9") else 0
    return f"{value:.{digits}f} {unit}"


def duration(seconds: float) -> str:
    """Return a time span.

    >>> duration(725)
    '12 min 05 s'
    """
    if seconds < _MINUTES_FROM:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left:02} min" if hours else f"{minutes} min {rest:02} s"
