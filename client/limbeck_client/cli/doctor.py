"""What would keep a client from taking part: `limbeck-client doctor`. It becomes no member and keeps nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from limbeck_client.transport import Transport
from limbeck_common.core.errors import LimbeckError
from limbeck_common.core.messages import Invitation
from limbeck_common.core.spec import PROTOCOL_VERSION, Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.runtime.model_check import check_device, check_model
from limbeck_common.support.diagnostics import (
    Finding,
    Level,
    check_folder,
    check_versions,
    failure,
)

_PACKAGES = ("grpcio", "protobuf", "numpy", "pydantic", "safetensors")
_CLOCK_SECONDS = 5.0


async def examine(
    name: str, transport: Transport, model: str, device: str, load_data: Callable[[Spec], ParticipantData]
) -> AsyncIterator[Finding]:
    """Yield what is found at the server and with this client's data and model."""
    asked = time.time()
    try:
        invitation = await transport.join(name, b"", 0)
        spec = Spec.model_validate_json(invitation.spec_json)
    except (LimbeckError, ValidationError) as error:
        yield failure("server", error)
        return
    answered = time.time()
    yield Finding(Level.OK, f"server: federation {invitation.federation_id}, protocol version {PROTOCOL_VERSION}")
    yield _check_clock(invitation.unix_seconds - (asked + answered) / 2, answered - asked)
    try:
        data = await asyncio.to_thread(load_data, spec)
    except LimbeckError as error:
        yield failure("data", error)
        return
    for finding in _check_data(data, invitation):
        yield finding
    if data.private is not None:
        yield await asyncio.to_thread(check_model, model, spec, data.private.x[:2], device)


def examine_machine(model: str, device: str, state: Path) -> Iterator[Finding]:
    """Yield what is found on this machine alone."""
    yield from check_versions(_PACKAGES)
    yield check_device(model, device)
    yield from check_folder("state", state)


def _check_clock(ahead: float, took: float) -> Finding:
    """Say how far the server's clock is ahead of ours; the answer took `took` seconds, half of which is unknown."""
    off = abs(ahead) - took / 2 > _CLOCK_SECONDS
    said = f"clock: the server's is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this one"
    remedy = "set both by NTP: times in logs and certificates will not agree" if off else ""
    return Finding(Level.WARN if off else Level.OK, said, remedy)


def _check_data(data: ParticipantData, invitation: Invitation) -> Iterator[Finding]:
    if data.private is not None:
        yield Finding(Level.OK, f"data: {len(data.private.y)} private rows")
    ours = None if data.open is None else open_digest(data.open)
    size = invitation.open_data_size
    if ours == invitation.open_digest:
        yield Finding(Level.OK, f"open data: the federation's, digest {invitation.open_digest.hex()[:16]}...")
    elif ours is not None:
        said = f"open data: digest {ours.hex()[:16]}..., the federation's is {invitation.open_digest.hex()[:16]}..."
        yield Finding(Level.FAIL, said, "bring the same rows in the same order, or none and let the server send them")
    elif size:
        yield Finding(Level.OK, f"open data: the server will send {size / 1e6:.1f} MB")
    else:
        yield Finding(Level.FAIL, "open data: none here, and the server sends none", "bring it with --data")
