"""What stands between a finished round and the network: the owner's policy, the kept state, the desk, the ledger."""

from dataclasses import dataclass
from pathlib import Path

from limbeck_client.checkpoint import Keeper, Kept
from limbeck_client.privacy.policy import Policy
from limbeck_client.privacy.release_log import Ledger, describe
from limbeck_client.privacy.review_queue import Desk
from limbeck_common.core.messages import Downlink, Uplink
from limbeck_common.core.spec import Spec
from limbeck_common.learning.learner import State
from limbeck_common.methods.registry import make_method
from limbeck_common.support.disk import writing


@dataclass(frozen=True)
class Owner:
    """One client's policy and files."""

    policy: Policy
    keeper: Keeper
    ledger: Ledger
    desk: Desk

    @classmethod
    def of(cls, folder: Path, policy: Policy, *, review: bool = False) -> "Owner":
        """Return the owner whose files lie in a client's state folder."""
        return cls(policy, Keeper(folder), Ledger(folder), Desk(folder, asks=review))

    def check_work(self, spec: Spec, downlink: Downlink) -> None:
        """Refuse work that the policy does not allow, before it is begun.

        Raises:
            PolicyError: what is too much.
            SettingsError: the state folder cannot be used.
        """
        with writing(self.desk.folder, "--state"):
            self.desk.clear()
            answered = self.ledger.answered(downlink.federation_id, besides=downlink.round)
        self.policy.check_work(spec, downlink, answered)
        sends = make_method(spec.method).sends
        if downlink.wanted is not None and sends is not None:
            self.policy.check_kind(sends)

    def kept(self, federation_id: str, open_rows: int) -> Kept | None:
        """Return what was kept of a federation, or None. Raises SettingsError where the folder cannot be used."""
        with writing(self.desk.folder, "--state"):
            return self.keeper.load(federation_id, open_rows)

    def keep(self, party: State, uplink: Uplink) -> None:
        """Keep what a round has made, the uplink checked.

        Raises:
            PolicyError: it may not leave; nothing of it is kept.
            SettingsError: the disk does not take it.
        """
        self._check(uplink)
        with writing(self.desk.folder, "--state"):
            self.keeper.keep(Kept(party, uplink))

    def release(self, uplink: Uplink) -> bool | None:
        """Return whether an uplink may leave, which then stands in the ledger; None while its owner has not said.

        Raises:
            PolicyError: the policy is another than when the uplink was made, and does not allow it.
            SettingsError: the disk does not take it.
        """
        with writing(self.desk.folder, "--state"):
            leaves = self.desk.look(uplink)
            if leaves:
                self._check(uplink)
                self.ledger.write(describe(uplink))
            if leaves is not None:
                self.desk.clear()
        return leaves

    def _check(self, uplink: Uplink) -> None:
        self.policy.check_release(uplink.contribution, uplink.metrics.get("seconds", 0.0))
