"""Who takes part: Join makes a client a member, and OpenData sends the open rows to a client that lacks them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import (
    EpochError,
    FederationError,
    MembershipError,
    NotServedError,
    OpenSetError,
    OutputError,
    ProtocolVersionError,
)
from limbeck_common.core.messages import Invitation
from limbeck_common.core.spec import PROTOCOL_VERSION, check_name
from limbeck_common.wire.payload import chunks
from limbeck_server.round.coordinator import Coordinator


@dataclass(frozen=True, eq=False)
class Membership:
    """Admits clients. `open_data`, shape [open_rows, *sample_shape], is None where the server has none to send."""

    coordinator: Coordinator
    open_digest: bytes
    open_data: NDArray[Any] | None

    async def join(self, client: str, version: int, digest: bytes, output_width: int) -> Invitation:
        """Return the federation's specification; with the right open digest, make the client a member.

        Raises:
            RefusalError: another protocol version, open set or width of the output, a bad name, an evicted client.
        """
        if version != PROTOCOL_VERSION:
            raise ProtocolVersionError(
                f"protocol version {version}",
                expected=f"version {PROTOCOL_VERSION}",
                remedy="install the same limbeck release on both sides",
            )
        check_name(client)
        coordinator = self.coordinator
        spec = coordinator.aggregation.spec
        if output_width not in {0, spec.output.width}:
            raise OutputError(f"a learner that predicts {output_width} values per row", expected=f"{spec.output.width}")
        if digest:
            if digest != self.open_digest:
                raise OpenSetError(
                    f"open data {digest.hex()[:16]}...",
                    expected=f"{self.open_digest.hex()[:16]}..., the federation's, in its order",
                    remedy="let the client fetch it from the server, or give both sides the same file",
                )
            await self.enter(client)
        return Invitation(
            coordinator.state.federation_id,
            spec.model_dump_json(),
            self.open_digest,
            0 if self.open_data is None else self.open_data.nbytes,
            epoch=coordinator.state.epoch,
        )

    async def enter(self, client: str) -> None:
        """Make a client that holds the right open data a member. Raises MembershipError for an evicted one."""
        coordinator = self.coordinator
        entered = coordinator.apply(coordinator.machine.join, client)
        coordinator.presence.saw(client)
        await entered

    async def decline(self, client: str, number: int) -> None:
        """Record that a member will not answer round `number`. Raises MembershipError for any other client."""
        coordinator = self.coordinator
        if not coordinator.state.admits(client):
            raise MembershipError(f"{client} is not a member", expected="a client that has joined", remedy="join first")
        coordinator.presence.saw(client)
        await coordinator.apply(coordinator.machine.decline, client, number)

    def check(self, federation_id: str, epoch: int | None = None) -> None:
        """Check that a message is for this federation and, where it carries an epoch, for this one.

        Raises:
            FederationError, EpochError: it is not; the client joins again.
        """
        state = self.coordinator.state
        if federation_id != state.federation_id:
            raise FederationError(
                f"a message for federation {federation_id[:80]!r}",
                expected=repr(state.federation_id),
                remedy="join again",
            )
        if epoch is not None and (epoch or 1) != state.epoch:  # 0, which is not sent, stands for 1
            raise EpochError(
                f"a message of epoch {epoch or 1}",
                expected=f"epoch {state.epoch}: the server's store was restored from a backup",
                remedy="join again",
            )

    def stream(self, federation_id: str, offset: int) -> Iterator[bytes]:
        """Yield the open data's bytes from `offset` on: C order, little-endian.

        Raises:
            NotServedError: the server has none to send.
        """
        self.check(federation_id)
        if self.open_data is None:
            raise NotServedError("this server does not send open data", remedy="bring it with --data")
        little = self.open_data.dtype.newbyteorder("<")
        flat = np.ascontiguousarray(self.open_data, little).reshape(-1).view(np.uint8)
        return chunks([flat[offset:]])
