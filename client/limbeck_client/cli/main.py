"""`limbeck-client`: take part in a federation."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from limbeck_client.cli.owner import approve, ledger, refuse, review
from limbeck_common.support.cli import dialled, run_async, run_command, set_up_logs


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="limbeck")
def cli() -> None:
    """Take part in a federation: your data and your model stay on this machine, predictions leave it."""


@cli.command()
@click.argument("address", metavar="HOST:PORT", callback=dialled)
@click.option("--name", required=True, help="This client's name in the federation.")
@click.option(
    "--model",
    default="cnn",
    show_default=True,
    help="cnn, cnn-dsfl, forest, mlp, resnet8, resnet18, or module:callable.",
)
@click.option("--data", metavar="MODULE:CALLABLE", help="Your own data: a callable that returns a ParticipantData.")
@click.option("--part", type=int, help="Whose part of the federation's built-in data set is this client's, from 0.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the built-in data sets, or LIMBECK_DATA.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the final model.")
@click.option("--state", type=click.Path(path_type=Path), help="Folder to go on from.  [default: limbeck-client/NAME]")
@click.option("--policy", type=click.Path(path_type=Path), help="Your limits: TOML, client/README.md lists them.")
@click.option(
    "--credentials", type=click.Path(path_type=Path), help="Folder of them.  [default: credentials in --state]"
)
@click.option("--token-file", type=click.Path(path_type=Path), help="Enrol first with this token, if not yet enrolled.")
@click.option("--review", is_flag=True, help="Hold every uplink until you approve it: `limbeck-client review STATE`.")
@click.option("--insecure", is_flag=True, help="Plain text, even over a network.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=3600.0,
    show_default=True,
    help="Seconds without the server before giving up.",
)
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
@click.option("--log-format", default="auto", show_default=True, type=click.Choice(["auto", "text", "json"]))
def join(address: str, **options: Any) -> None:
    """Join the federation served at HOST:PORT and work in it until it ends.

    If the server is away, the client waits and attempts again, at growing intervals.
    """
    set_up_logs(options.pop("log_level"), options.pop("log_format"))
    ended = run_async(_join(address, **options))
    click.echo(f"{ended.state}: {ended.reason}")


async def _join(  # noqa: PLR0913 - one client's choices
    address: str, *, name: str, out: Path | None, state: Path | None, patience: float, review: bool, **options: Any
) -> Any:
    from limbeck_client.participation import take_part  # noqa: PLC0415
    from limbeck_client.privacy.policy import read_policy  # noqa: PLC0415
    from limbeck_client.privacy.release_guard import ReleaseGuard  # noqa: PLC0415
    from limbeck_client.runner import Runner  # noqa: PLC0415
    from limbeck_client.runtime import InProcessRuntime, data_loader  # noqa: PLC0415 - help answers at once
    from limbeck_client.transport import GrpcTransport  # noqa: PLC0415
    from limbeck_common.support.disk import make_folder, take  # noqa: PLC0415

    folder = _folder(name, state)
    guard = ReleaseGuard.of(folder, read_policy(options["policy"]), review=review)
    make_folder(folder, "--state")
    if out is not None:
        make_folder(out, "--out")
    with take(folder / "lock", "client", "--state"):
        chosen = await _credentials(address, name, folder, patience, **options)
        loader = data_loader(options["data"], options["part"], options["data_dir"])
        runtime = InProcessRuntime(name, options["model"], options["device"], loader, guard)
        transport = GrpcTransport(address, chosen)
        try:
            return await take_part(Runner(name, transport, runtime, patience), runtime, guard, out, click.echo)
        finally:
            await transport.close()


async def _credentials(address: str, name: str, folder: Path, patience: float, **options: Any) -> Any:
    """Return what to dial with, enrolled for first where there is a token and nothing else."""
    from limbeck_client.enrolment import enroll_patiently  # noqa: PLC0415 - help answers at once
    from limbeck_common.security.tokens import read_token  # noqa: PLC0415

    credentials = options["credentials"] or folder / "credentials"
    if options["token_file"] is not None and not (credentials / "key.pem").exists():
        await enroll_patiently(read_token(_token_in(options["token_file"])), credentials, patience)
    return _find_credentials(address, name, folder, **options)


def _find_credentials(
    address: str, name: str, folder: Path, *, credentials: Path | None, insecure: bool, **_: Any
) -> Any:
    from limbeck_common.wire.credentials import choose_credentials  # noqa: PLC0415 - help answers at once

    place = credentials or folder / "credentials"
    return choose_credentials(place, address, insecure=insecure, name=name, named=credentials is not None)


def _folder(name: str, state: Path | None = None) -> Path:
    """Return the state folder of a client that has this name."""
    from limbeck_common.core.errors import SettingsError  # noqa: PLC0415
    from limbeck_common.core.spec import NAME_RULE, is_name  # noqa: PLC0415 - help answers at once

    if not is_name(name):
        raise SettingsError(f"client name {name!r}", expected=NAME_RULE)
    return state or Path("limbeck-client") / name


@cli.command()
@click.argument("line", metavar="TOKEN")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    help="Folder for them.  [default: limbeck-client/NAME/credentials]",
)
def enroll(line: str, credentials: Path | None) -> None:
    """Trade TOKEN, a line from `limbeck-server token create`, for a certificate. It works once; - reads it from stdin.

    The private key is made here and stays here. `join` then finds the credentials by the client's name.
    """
    line = sys.stdin.readline() if line == "-" else line
    run_async(_enroll(line, credentials))


async def _enroll(line: str, folder: Path | None) -> None:
    from limbeck_client.enrolment import enroll as enroll_with  # noqa: PLC0415 - help answers at once
    from limbeck_common.security.certificates import fingerprint  # noqa: PLC0415
    from limbeck_common.security.tokens import read_token  # noqa: PLC0415

    token = read_token(line)
    folder = folder or _folder(token.name) / "credentials"
    await enroll_with(token, folder)
    click.echo(f"{token.role} {token.name}: credentials in {folder}, of the authority {fingerprint(token.ca)}")


def _token_in(file: Path) -> str:
    from limbeck_common.core.errors import SettingsError  # noqa: PLC0415 - help answers at once

    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}", expected="a file that holds a token") from error


@cli.command()
@click.argument("source", metavar="MODULE:CALLABLE")
def digest(source: str) -> None:
    """Print the digest of the open set that MODULE:CALLABLE returns, for the server's `open.digest`."""
    from limbeck_common.core.errors import DataError  # noqa: PLC0415 - help answers at once
    from limbeck_common.datasets.open_digest import open_digest  # noqa: PLC0415
    from limbeck_common.support.plugins import call_plugin  # noqa: PLC0415

    rows = getattr(call_plugin(source, part=None, seed=0), "open", None)
    if rows is None:
        raise DataError(f"{source} returned no open rows", expected="a ParticipantData with open rows")
    click.echo(f"{open_digest(rows).hex()}  {len(rows)} rows of {rows.dtype.str} {list(rows.shape[1:])}")


@cli.command(params=join.params)
def doctor(address: str, **options: Any) -> None:
    """Check what a `join` with the same arguments needs: this machine, the server, the data, the model.

    One line each, with its remedy; exit status 1 if a join would fail. Nothing is joined or kept.
    """
    set_up_logs(options["log_level"], options["log_format"])
    sys.exit(run_async(_examine(address, **options)))


async def _examine(address: str, *, name: str, state: Path | None, **options: Any) -> int:
    from limbeck_client.cli import doctor as doctors  # noqa: PLC0415 - help answers at once
    from limbeck_client.runtime import data_loader  # noqa: PLC0415
    from limbeck_client.transport import GrpcTransport  # noqa: PLC0415
    from limbeck_common.core.errors import SettingsError  # noqa: PLC0415
    from limbeck_common.support.diagnostics import failure, show  # noqa: PLC0415

    model, device = options["model"], options["device"]
    folder = _folder(name, state)
    failed = show(doctors.examine_machine(model, device, folder), click.echo)
    try:
        chosen = _find_credentials(address, name, folder, **options)
    except SettingsError as error:
        return show([failure("credentials", error)], click.echo)
    loader = data_loader(options["data"], options["part"], options["data_dir"])
    transport = GrpcTransport(address, chosen)
    try:
        async for finding in doctors.examine(name, transport, model, device, loader):
            failed |= show([finding], click.echo)
    finally:
        await transport.close()
    return failed


for each in (ledger, review, approve, refuse):
    cli.add_command(each)


def main() -> None:
    """Entry point of the console program. Its end does not wait for a training under way: what is kept is whole."""
    try:
        run_command(cli, "limbeck-client")
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


if __name__ == "__main__":
    main()
