"""Facts in a sentence each, for people."""

from limbeck_server import events as fact


def tell(what: fact.Fact) -> str:  # noqa: C901, PLR0911, PLR0912 - one case a fact
    """Return the fact in a sentence."""
    match what:
        case fact.Founded():
            return f"federation {what.federation_id} founded"
        case fact.Joined():
            return f"{what.client} joined"
        case fact.Opened(closing=True):
            return f"closing round opened for {len(what.participants)} clients"
        case fact.Opened():
            return f"round {what.round} opened for {len(what.participants)} clients"
        case fact.Kept():
            return f"uplink of {what.client} for round {what.round} kept"
        case fact.Late():
            return f"uplink of {what.client} for round {what.round} came late"
        case fact.Extended():
            return "no quorum at the deadline: extended"
        case fact.Closed():
            return f"round {what.round} closed"
        case fact.Taught():
            return f"teaching of round {what.round} is {what.digest[:12]}"
        case fact.Evaluated():
            figures = ", ".join(f"{name} {value:.4f}" for name, value in sorted(what.figures.items()))
            return f"server's model after round {what.round}: {figures}"
        case fact.Judged():
            far = max(what.figures, key=lambda client: what.figures[client])
            return f"round {what.round}: farthest from the average is {far}, {what.figures[far]:.3f}"
        case fact.Dropped():
            return f"uplinks up to round {what.round} deleted"
        case fact.Restarted():
            return "the daemon is up again"
        case fact.Evicted():
            return f"{what.client} evicted"
        case fact.Revoked():
            return f"{what.client} is no member any more: its certificate was revoked"
        case fact.Ended():
            return f"{what.state}: {what.reason}"
        case _:
            return what.kind
