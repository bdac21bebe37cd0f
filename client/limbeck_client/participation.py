"""Taking part in a federation, so that the client's model is kept however it ends."""

from collections.abc import Callable
from pathlib import Path

import structlog

from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.runner import Runner
from limbeck_client.runtime import InProcessRuntime
from limbeck_common.core.errors import EndedError, LimbeckError
from limbeck_common.core.messages import Ended

_log = structlog.get_logger()


async def take_part(
    runner: Runner, runtime: InProcessRuntime, guard: ReleaseGuard, out: Path, say: Callable[[str], None]
) -> Ended:
    """Run a client until its federation ends, and return how it ended.

    The model of the last finished round is written to the folder `out`, and `say` gets a line that names the file,
    whatever ended the client: the federation, a refusal, a mistake in the learner, or a server that stayed away.

    Raises:
        LimbeckError: what kept this client from taking part; EndedError where the federation failed or was stopped.
    """
    try:
        ended = await runner.run()
    except EndedError:
        _close(runtime, guard, out, say)
        raise
    except LimbeckError:
        _save_after_failure(runtime, out, say)
        raise
    _close(runtime, guard, out, say)
    return ended


def _close(runtime: InProcessRuntime, guard: ReleaseGuard, out: Path, say: Callable[[str], None]) -> None:
    """The federation has ended: nothing is held for review any more, and the model is final."""
    guard.review_queue.clear()
    saved = runtime.save(out)
    if saved is not None:
        say(f"final model: {saved}")


def _save_after_failure(runtime: InProcessRuntime, out: Path, say: Callable[[str], None]) -> None:
    """Save the model, if there is one; the failure that ended the client is what its owner must read."""
    try:
        saved = runtime.save(out)
    except LimbeckError as error:
        _log.warning("the model could not be saved", client=runtime.name, why=str(error))
        return
    if saved is not None:
        say(f"model of the last finished round: {saved}")
