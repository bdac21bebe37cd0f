"""`limbeck-client doctor`: what would keep a client from taking part. It does not join, and keeps nothing."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import click
from pydantic import ValidationError

from limbeck_client.cli.join import join
from limbeck_client.join import ClientSettings
from limbeck_client.privacy.policy import read_policy
from limbeck_client.transport import GrpcTransport, Transport
from limbeck_common.core.errors import LimbeckError, SettingsError
from limbeck_common.core.messages import Invitation
from limbeck_common.core.spec import PROTOCOL_VERSION, Spec
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.datasets.open_digest import open_digest
from limbeck_common.runtime.make_participant import make_client
from limbeck_common.runtime.model_check import check_device, check_predictions
from limbeck_common.support.cli import AS_JSON, run_async
from limbeck_common.support.diagnostics import Finding, Level, as_json, check_folder, check_versions, failure, show
from limbeck_common.support.logs import set_up_logs

_PACKAGES = ("grpcio", "protobuf", "numpy", "pydantic", "safetensors")
_CLOCK_SECONDS = 5.0
_MEGABYTE = 1_000_000


@click.command(params=list(join.params))
@AS_JSON
def doctor(*, json: bool, **options: Any) -> None:
    """Check that a `join` with the same options would work.

    It looks at this machine, the server, the data and the model, and neither joins nor changes anything. It prints one
    line per finding, with a remedy, and exits with status 1 if a join would fail.
    """
    choices = ClientSettings(**options)
    set_up_logs(choices.log_level, choices.log_format)
    sys.exit(run_async(_diagnose(choices, as_json if json else str)))


async def _diagnose(choices: ClientSettings, form: Callable[[Finding], str]) -> int:
    """Print what is found, and return the exit status."""
    failed = show(diagnose_machine(choices), click.echo, form)
    try:
        credentials = choices.find_credentials()
    except SettingsError as error:
        return show([failure("credentials", error)], click.echo, form)
    transport = GrpcTransport(choices.address, credentials)
    try:
        async for finding in diagnose_federation(choices, transport):
            failed |= show([finding], click.echo, form)
    finally:
        await transport.close()
    return failed


def diagnose_machine(choices: ClientSettings) -> Iterator[Finding]:
    """Yield what is found on this machine alone."""
    yield from check_versions(_PACKAGES)
    yield check_device(choices.model, choices.device)
    yield from check_folder("state", choices.folder)
    yield _check_policy(choices, None)


async def diagnose_federation(choices: ClientSettings, transport: Transport) -> AsyncIterator[Finding]:
    """Yield what is found at the server, and with this client's data and model."""
    asked = time.time()
    try:
        invitation = await transport.join(choices.name, b"", 0)
        spec = Spec.model_validate_json(invitation.spec_json)
    except (LimbeckError, ValidationError) as error:
        yield failure("server", error)
        return
    answered = time.time()
    yield Finding(Level.OK, f"server: federation {invitation.federation_id}, protocol version {PROTOCOL_VERSION}")
    yield _check_policy(choices, spec)
    yield _check_clock(invitation.unix_seconds - (asked + answered) / 2, answered - asked)
    try:
        data = await asyncio.to_thread(choices.data_loader(), spec)
    except LimbeckError as error:
        yield failure("data", error)
        return
    for finding in _check_data(data, invitation):
        yield finding
    yield await asyncio.to_thread(_check_client, choices, spec, data)


def _check_client(choices: ClientSettings, spec: Spec, data: ParticipantData) -> Finding:
    """Say whether the model suits the method and the data, and predicts."""
    try:
        client = make_client(spec, choices.name, choices.model, data, choices.device)
    except LimbeckError as error:
        return failure(f"model {choices.model}", error)
    rows = data.open if data.private is None else data.private.x
    if rows is None:
        return Finding(Level.WARN, f"model {choices.model} has no rows here to predict", "join fetches the open rows")
    return check_predictions(choices.model, client.learner, spec, rows[:2])


def _check_policy(choices: ClientSettings, spec: Spec | None) -> Finding:
    """Say whether the owner's policy can be read, and whether it allows what this federation's method sends."""
    whose = "default" if choices.policy is None else str(choices.policy)
    try:
        policy = read_policy(choices.policy)
        if spec is None:
            return Finding(Level.OK, f"policy: {whose}, lets {', '.join(policy.kinds)} leave")
        policy.check_recipe(spec)
        policy.check_forms(spec)
    except LimbeckError as error:
        return failure("policy", error)
    if policy.rounds == 0:
        return Finding(Level.FAIL, "policy: no round may be answered", "raise rounds in the file of --policy")
    return Finding(Level.OK, f"policy: it allows what method {spec.method.name} asks for")


def _check_clock(ahead: float, took: float) -> Finding:
    """Say how far the server's clock is ahead of this one, give or take half of the `took` seconds of the answer."""
    off = abs(ahead) - took / 2 > _CLOCK_SECONDS
    said = f"clock: the server's is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this one"
    remedy = "set both by NTP: otherwise times in logs and certificates do not agree" if off else ""
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
        yield Finding(Level.FAIL, said, "bring the same rows in the same order, or none: the server may send them")
    elif size:
        amount = f"{size / _MEGABYTE:,.1f} MB" if size >= _MEGABYTE else f"{size / 1000:,.1f} kB"
        yield Finding(Level.OK, f"open data: none here, the server will send it, {amount}")
    else:
        yield Finding(Level.FAIL, "open data: none here, and the server sends none", "bring it with --data")
