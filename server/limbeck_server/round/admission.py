"""The admission of an uplink, in two moments: when its head is there, and when its block is.

Time passes between them, so the round machine is asked at both: a round may close while a large block arrives.
"""

import asyncio
from dataclasses import dataclass, replace

import structlog

from limbeck_common.core.messages import Block, Outline, Receipt, Space, Uplink
from limbeck_server.aggregation.aggregator import RoundAggregator
from limbeck_server.aggregation.validation import check_form, check_metrics, check_outline
from limbeck_server.events import UplinkAccepted
from limbeck_server.round.coordinator import Coordinator
from limbeck_server.storage.protocols import StoredBlock

_log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Admission:
    """What is known of an uplink by its head alone, `uplink` being without its block.

    `receipt` says what becomes of the uplink if its block is sound; only an accepted one is worth its block, of at most
    `payload_bytes`. `aggregator` is its round's, None in the closing round.
    """

    uplink: Uplink
    receipt: Receipt
    payload_bytes: int = 0
    aggregator: RoundAggregator | None = None


class Admissions:
    """Admits uplinks to the open round, within `payload_bytes` each."""

    def __init__(self, coordinator: Coordinator, payload_bytes: int) -> None:
        self.coordinator = coordinator
        self._payload_bytes = payload_bytes

    async def admit(self, uplink: Uplink, outline: Outline | None) -> Admission:
        """Judge an uplink by its head, before a byte of its payload is kept. `outline` describes its block.

        Raises:
            RefusalError: the uplink is not wanted from this client, whatever its block may hold, or its block cannot
                be what the round asks for, or there is no room for it.
        """
        coordinator = self.coordinator
        check_metrics(uplink.metrics)
        aggregator = await coordinator.aggregation.current()
        receipt, _ = coordinator.machine.deliver(coordinator.state, self._fact(uplink))
        coordinator.presence.saw(uplink.client)
        if receipt is not Receipt.ACCEPTED:
            await coordinator.settled()
            return Admission(uplink, receipt)
        coordinator.store.check_room()  # asks the file system, not the database
        spec = coordinator.aggregation.spec
        most = check_outline(outline, None if aggregator is None else aggregator.ask, spec)
        return Admission(uplink, receipt, min(most, self._payload_bytes), aggregator)

    async def complete(self, admission: Admission, block: Block | None) -> Receipt:
        """Judge an admitted uplink's block, start adding it to the sums, and return its receipt once it is durable.

        Raises:
            RefusalError: the block is not what the round asks for; nothing of it is kept.
        """
        coordinator, uplink = self.coordinator, admission.uplink
        checked, group = None, ""
        if admission.aggregator is None:
            check_form(block, None, coordinator.aggregation.spec)
        else:
            checked, group = await coordinator.aggregation.check(admission.aggregator, block)
        fact = self._fact(uplink)
        if block is not None and block.space is Space.PARAMETERS:
            fact = replace(fact, group=group)
        receipt, facts = coordinator.machine.deliver(coordinator.state, fact)
        blocks = []
        if receipt is Receipt.ACCEPTED and block is not None:
            blocks = [StoredBlock(uplink.round, uplink.client, block)]
        if receipt is Receipt.ACCEPTED and checked is not None and admission.aggregator is not None:
            admission.aggregator.reserve(checked, group)
            coordinator.aggregation.add(uplink.client, checked, group, coordinator.wake)
        await coordinator.decide(facts, blocks)
        _log.info("uplink", client=uplink.client, round=uplink.round, receipt=receipt)
        return receipt

    async def push(self, uplink: Uplink) -> Receipt:
        """Admit and complete a whole uplink that is in memory. Raises RefusalError as `admit` and `complete`."""
        block = uplink.contribution
        admission = await self.admit(replace(uplink, contribution=None), block.outline if block else None)
        if admission.receipt is not Receipt.ACCEPTED:
            return admission.receipt
        # It outlives its caller: a client that hangs up now must not take back what was decided.
        return await asyncio.shield(asyncio.ensure_future(self.complete(admission, block)))

    def _fact(self, uplink: Uplink) -> UplinkAccepted:
        return UplinkAccepted(
            at=self.coordinator.clock(),
            round=uplink.round,
            client=uplink.client,
            digest=uplink.digest.hex(),
            metrics=dict(uplink.metrics),
        )
