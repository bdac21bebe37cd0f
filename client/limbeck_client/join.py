"""Joining a federation, with all that a client's owner may choose."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from limbeck_client.enrolment import enroll_patiently
from limbeck_client.participation import take_part
from limbeck_client.privacy.policy import read_policy
from limbeck_client.privacy.release_guard import ReleaseGuard
from limbeck_client.runner import Runner
from limbeck_client.runtime import InProcessRuntime, data_loader
from limbeck_client.transport import GrpcTransport
from limbeck_common.core.errors import SettingsError
from limbeck_common.core.messages import Ended
from limbeck_common.core.spec import Spec, check_name
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.security.tokens import Token, read_token
from limbeck_common.support.disk import make_folder, take
from limbeck_common.support.logs import set_up_unset_logs
from limbeck_common.wire.credentials import Credentials, choose_credentials

_log = structlog.get_logger()


@dataclass(frozen=True)
class ClientSettings:
    """What a client's owner chooses, as `limbeck-client join --help` describes it.

    None: there is a default that depends on others.

    >>> ClientSettings("127.0.0.1:50051", "ward-7", model="mlp", part=0).out_folder
    PosixPath('limbeck-client/ward-7/model')
    """

    address: str
    name: str
    model: str = "cnn"
    data: str | None = None
    part: int | None = None
    data_dir: Path | None = None
    device: str = "auto"
    out: Path | None = None
    state: Path | None = None
    policy: Path | None = None
    credentials: Path | None = None
    token_file: Path | None = None
    review: bool = False
    insecure: bool = False
    patience: float = 3600.0
    log_level: str = "info"
    log_format: str = "auto"

    @property
    def folder(self) -> Path:
        """The state folder. Raises ClientNameError if the client's name is not allowed."""
        return self.state or state_folder(self.name)

    @property
    def out_folder(self) -> Path:
        """Where the final model goes."""
        return self.out or self.folder / "model"

    @property
    def credentials_folder(self) -> Path:
        """Where the credentials lie, or will lie once the client has enrolled."""
        return self.credentials or self.folder / "credentials"

    def find_credentials(self) -> Credentials | None:
        """Return the credentials to dial with; None for plain text.

        Raises:
            SettingsError: there are none where some are needed, or they cannot be used.
        """
        return choose_credentials(
            self.credentials_folder,
            self.address,
            insecure=self.insecure,
            name=self.name,
            named=self.credentials is not None,
        )

    def data_loader(self) -> Callable[[Spec], ParticipantData]:
        """Return the function that loads this client's data."""
        return data_loader(self.data, self.part, self.data_dir)


async def join(settings: ClientSettings, say: Callable[[str], None] = print) -> Ended:
    """Join a federation, take part until it ends, and return how it ended; `say` gets a line that names its model.

    >>> import asyncio
    >>> import tempfile
    >>> from limbeck_common.core.errors import LimbeckError
    >>> nobody = ClientSettings("127.0.0.1:1", "ward-7", patience=0, state=Path(tempfile.mkdtemp()))
    >>> try:
    ...     asyncio.run(join(nobody))
    ... except LimbeckError as error:
    ...     print(type(error).__name__)
    UnreachableError

    Raises:
        LimbeckError: what kept this client from taking part; EndedError where the federation failed or was stopped.
    """
    set_up_unset_logs("info")
    folder = settings.folder
    guard = ReleaseGuard.of(folder, read_policy(settings.policy), review=settings.review)
    make_folder(folder, "--state")
    make_folder(settings.out_folder, "--out")
    with take(folder / "lock", "client", "--state"):
        if settings.token_file is not None and not (settings.credentials_folder / "key.pem").exists():
            await enroll_patiently(_token_in(settings.token_file), settings.credentials_folder, settings.patience)
        credentials = settings.find_credentials()
        if credentials is None and not settings.insecure:  # who does not look for it here looks for a broken network
            _log.info("plain text, as there are no credentials", folder=str(settings.credentials_folder))
        transport = GrpcTransport(settings.address, credentials)
        runtime = InProcessRuntime(settings.name, settings.model, settings.device, settings.data_loader(), guard)
        runner = Runner(settings.name, transport, runtime, settings.patience)
        try:
            return await take_part(runner, runtime, guard, settings.out_folder, say)
        finally:
            await transport.close()


def _token_in(file: Path) -> Token:
    try:
        return read_token(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}", expected="a file that holds a token") from error


def state_folder(name: str) -> Path:
    """Return the state folder of a client that chooses no other.

    Raises:
        ClientNameError: the name is not allowed, as it might lead out of its folder.
    """
    return Path("limbeck-client") / check_name(name)
