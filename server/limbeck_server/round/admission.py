"""The admission of an uplink, in two moments: when its head is there, and when its parts are.

Time passes between them, so the round machine is asked at both: a round may close while large parts arrive.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from limbeck_common.core.blocks import Outline, Parts
from limbeck_common.core.form import Ask
from limbeck_common.core.messages import Receipt, Uplink
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.validation import check_form, check_metrics, check_outlines
from limbeck_server.events import UplinkAccepted
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.storage.protocols import StoredParts

_log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Admission:
    """What is known of an uplink by its head alone, `uplink` being without its parts, which `outlines` describe.

    `receipt` says what becomes of the uplink if its parts are sound; only an accepted one is worth them, of at most
    `payload_bytes`. `aggregator` is its round's, None in the closing round.
    """

    uplink: Uplink
    receipt: Receipt
    outlines: Mapping[str, Outline]
    payload_bytes: int = 0
    aggregator: RoundAggregator | None = None


class Admissions:
    """Admits uplinks to the open round, within `payload_bytes` each."""

    def __init__(self, coordinator: Coordinator, payload_bytes: int) -> None:
        self.coordinator = coordinator
        self._payload_bytes = payload_bytes

    async def admit(self, uplink: Uplink, outlines: Mapping[str, Outline]) -> Admission:
        """Judge an uplink by its head, before a byte of its payload is kept. `outlines` describe its parts.

        Raises:
            RefusalError: the uplink is not wanted from this client, whatever its parts may hold, or they cannot be what
                the round asks for, or there is no room for them.
        """
        coordinator = self.coordinator
        check_metrics(uplink.metrics)
        aggregator = await coordinator.aggregation.current()
        receipt, _ = coordinator.machine.deliver(coordinator.state, self._fact(uplink))
        coordinator.presence.saw(uplink.client)
        if receipt is not Receipt.ACCEPTED:
            await coordinator.settled()
            return Admission(uplink, receipt, outlines)
        coordinator.store.check_room()  # asks the file system, not the database
        most = check_outlines(outlines, _plan(aggregator))
        return Admission(uplink, receipt, outlines, min(most, self._payload_bytes), aggregator)

    async def complete(self, admission: Admission, parts: Parts) -> Receipt:
        """Judge an admitted uplink's parts, start adding them to the sums; return the receipt once it is durable.

        Raises:
            RefusalError: they are not what the round asks for; nothing of them is kept.
        """
        coordinator, uplink, aggregator = self.coordinator, admission.uplink, admission.aggregator
        checked: Parts = {}
        architecture = ""
        if aggregator is None:
            check_form(parts, _plan(None))
        else:
            checked, architecture = await coordinator.aggregation.check(aggregator, parts)
        fact = self._fact(uplink)
        if architecture:
            fact = replace(fact, architecture=architecture)
        receipt, facts = coordinator.machine.deliver(coordinator.state, fact)
        stored = []
        if receipt is Receipt.ACCEPTED and aggregator is not None:
            aggregator.reserve(checked, architecture)
            coordinator.aggregation.add(uplink.client, checked, architecture, coordinator.wake)
            stored = [StoredParts(uplink.round, uplink.client, parts, digest=fact.digest)]
        await coordinator.decide(facts, stored)
        _log.debug("uplink", client=uplink.client, round=uplink.round, receipt=receipt)
        return receipt

    async def push(self, uplink: Uplink) -> Receipt:
        """Admit and complete a whole uplink that is in memory. Raises RefusalError as `admit` and `complete`."""
        outlines = {part: block.outline for part, block in uplink.parts.items()}
        admission = await self.admit(replace(uplink, parts={}), outlines)
        if admission.receipt is not Receipt.ACCEPTED:
            return admission.receipt
        # It outlives its caller: a client that hangs up now must not take back what was decided.
        return await asyncio.shield(asyncio.ensure_future(self.complete(admission, uplink.parts)))

    def _fact(self, uplink: Uplink) -> UplinkAccepted:
        return UplinkAccepted(
            at=self.coordinator.clock(),
            round=uplink.round,
            client=uplink.client,
            digest=uplink.digest.hex(),
            metrics=dict(uplink.metrics),
        )


def _plan(aggregator: RoundAggregator | None) -> Mapping[str, Ask]:
    """Return what a round asks for; nothing where it is the closing one."""
    return {} if aggregator is None else aggregator.round.plan
