"""Every reader of input that others wrote."""

from call_subjects import Enrol, Join, LargePush, OpenData, Operator, Pull, Push
from file_subjects import ClientState, Metrics, ReleaseLedger, TokenLine, policy_file, settings_file
from journal_subjects import Fact, Journal, Row
from subject import Subject
from wire_subjects import DownlinkHead, Indices, UplinkHead

MAKERS = {
    "indices": Indices,
    "uplink": UplinkHead,
    "downlink": DownlinkHead,
    "join": Join,
    "pull": Pull,
    "push": Push,
    "large-push": LargePush,
    "open-data": OpenData,
    "enrol": Enrol,
    "operator": Operator,
    "client-state": ClientState,
    "release-ledger": ReleaseLedger,
    "fact": Fact,
    "row": Row,
    "journal": Journal,
    "metrics": Metrics,
    "token": TokenLine,
    "settings": settings_file,
    "policy": policy_file,
}


def make(name: str) -> Subject:
    """Return a subject by its name."""
    return MAKERS[name]()
