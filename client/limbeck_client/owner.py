"""What stands between a finished round and the network: the owner's policy, the kept state, the ledger."""

from dataclasses import dataclass

from limbeck_client.keeping import Keeper, Kept
from limbeck_client.ledger import Ledger, describe
from limbeck_client.policy import Policy
from limbeck_common.config import Spec
from limbeck_common.learning.learner import State
from limbeck_common.messages import Downlink, Uplink


@dataclass(frozen=True)
class Owner:
    """One client's policy and files."""

    policy: Policy
    keeper: Keeper
    ledger: Ledger

    def check_work(self, spec: Spec, downlink: Downlink) -> None:
        """Refuse work that the policy does not allow, before it is begun.

        Raises:
            PolicyError: what is too much.
        """
        answered = self.ledger.answered(downlink.federation_id, besides=downlink.round)
        self.policy.check_work(spec.recipe, downlink, answered)

    def keep(self, party: State, uplink: Uplink) -> None:
        """Let an uplink go: checked, entered in the ledger, and kept with the party's state, in this order.

        Raises:
            PolicyError: it may not leave; nothing of it is kept.
        """
        self.policy.check_release(uplink.contribution, uplink.metrics.get("seconds", 0.0))
        self.ledger.write(describe(uplink))
        self.keeper.keep(Kept(party, uplink))
