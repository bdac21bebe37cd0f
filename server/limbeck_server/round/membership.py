"""Join and OpenData: who may take part, and the open data for those who lack it. The same for every transport."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_common.core.errors import ClassesError, NotServedError, OpenSetError, ProtocolVersionError
from limbeck_common.core.messages import Invitation
from limbeck_common.core.spec import PROTOCOL_VERSION
from limbeck_common.wire.payload import chunks
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.round.validation import check_federation, check_name


@dataclass(frozen=True, eq=False)
class Membership:
    """The way in. `open_data`, shape [open_rows, *sample_shape], is None where the server has none to send."""

    coordinator: Coordinator
    open_digest: bytes
    open_data: NDArray[Any] | None

    async def join(self, client: str, version: int, digest: bytes, classes: int) -> Invitation:
        """Return the federation's specification, and make the client a member if it shows the open set's digest.

        Raises:
            RefusalError: another protocol version, open set or number of classes, a bad name, an evicted client.
        """
        if version != PROTOCOL_VERSION:
            raise ProtocolVersionError(
                f"protocol version {version}",
                expected=f"version {PROTOCOL_VERSION}",
                remedy="install the same limbeck release on both sides",
            )
        check_name(client)
        spec = self.coordinator.spec
        if classes not in {0, spec.classes}:
            raise ClassesError(f"a learner of {classes} classes", expected=f"{spec.classes} classes")
        if digest:
            if digest != self.open_digest:
                raise OpenSetError(
                    f"open data {digest.hex()[:16]}...",
                    expected=f"{self.open_digest.hex()[:16]}..., the federation's, in its order",
                    remedy="let the client fetch it from the server, or give both sides the same file",
                )
            await self.coordinator.join(client)
        return Invitation(
            self.coordinator.state.federation_id,
            spec.model_dump_json(),
            self.open_digest,
            0 if self.open_data is None else self.open_data.nbytes,
        )

    def check(self, federation_id: str) -> None:
        """Raise FederationError unless a message names this federation."""
        check_federation(federation_id, self.coordinator.state.federation_id)

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
