"""What the options of `join` and `doctor` choose."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from limbeck_client.runtime import data_loader
from limbeck_common.core.spec import Spec, check_name
from limbeck_common.datasets.examples import ParticipantData
from limbeck_common.wire.credentials import Credentials, choose_credentials


@dataclass(frozen=True)
class Choices:
    """The options of `join`, one field each; None where there is a default that depends on others."""

    address: str
    name: str
    model: str
    data: str | None
    part: int | None
    data_dir: Path | None
    device: str
    out: Path | None
    state: Path | None
    policy: Path | None
    credentials: Path | None
    token_file: Path | None
    review: bool
    insecure: bool
    patience: float
    log_level: str
    log_format: str

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


def state_folder(name: str) -> Path:
    """Return the state folder of a client that chooses no other.

    Raises:
        ClientNameError: the name is not allowed, as it might lead out of its folder.
    """
    return Path("limbeck-client") / check_name(name)
