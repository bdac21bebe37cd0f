"""How many files this process may have open: each connection takes one."""

import resource

import structlog

OWN_FILES = 100  # what the daemon opens besides connections, with room to spare
_log = structlog.get_logger()


def most_files() -> int:
    """Return how many files this process could have open, if it asked for all that it may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def allow_files(connections: int) -> None:
    """Raise the process's limit so that `connections` fit, as far as it may be raised, and log what became of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(connections + OWN_FILES, hard)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _log.info("open files", allowed=wanted, before=soft)
    if wanted < connections + OWN_FILES:
        fewer = max(0, max(soft, wanted) - OWN_FILES)
        _log.warning("fewer connections fit than limits.connections says", fit=fewer, next="raise `ulimit -Hn`")
