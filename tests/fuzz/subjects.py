"""Every reader of input that others wrote."""

from fuzz.call_subjects import Enrol, Join, LargePush, OpenData, Operator, Pull, Push
from fuzz.file_subjects import ClientState, Metrics, ReleaseLedger, TokenLine, policy_file, settings_file
from fuzz.journal_subjects import Fact, Journal, Row
from fuzz.subject import Subject
from fuzz.wire_subjects import DownlinkHead, Indices, UplinkHead

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
    "release-log": ReleaseLedger,
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
