"""Facts in a sentence each, for people."""

from limbeck_server import events as fact


def tell(what: fact.Fact) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a fact
    """Return the fact in a sentence."""
    match what:
        case fact.Founded():
            return f"federation {what.federation_id} founded"
        case fact.ClientJoined():
            return f"{what.client} joined"
        case fact.Opened(closing=True):
            return f"closing round opened for {len(what.participants)} clients"
        case fact.Opened():
            return f"round {what.round} opened for {len(what.participants)} clients"
        case fact.UplinkAccepted():
            return f"uplink of {what.client} for round {what.round} kept"
        case fact.UplinkLate():
            return f"uplink of {what.client} for round {what.round} came late"
        case fact.Extended():
            return "no quorum at the deadline: extended"
        case fact.Closed():
            return f"round {what.round} closed"
        case fact.Aggregated():
            return f"aggregate of round {what.round} is {what.digest[:12]}"
        case fact.Evaluated():
            metrics = ", ".join(f"{name} {value:.4f}" for name, value in sorted(what.metrics.items()))
            return f"server's model after round {what.round}: {metrics}"
        case fact.DisagreementMeasured():
            far = max(what.metrics, key=lambda client: what.metrics[client])
            return f"round {what.round}: farthest from the average is {far}, {what.metrics[far]:.3f}"
        case fact.UplinksDeleted():
            return f"uplinks up to round {what.round} deleted"
        case fact.Restarted():
            return "the daemon is up again"
        case fact.Restored():
            return f"the store was restored from a backup: epoch {what.epoch}"
        case fact.Declined():
            return f"{what.client} declined round {what.round}"
        case fact.Evicted():
            return f"{what.client} evicted"
        case fact.Revoked():
            return f"{what.client} is no member any more: its certificate was revoked"
        case fact.FederationEnded():
            return f"{what.state}: {what.reason}"
        case _:
            return what.kind
