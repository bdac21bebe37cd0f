"""Everything that limbeck refuses, in one tree.

    LimbeckError
    |-- RefusalError              the server refused a message; travels as a gRPC status with an ErrorInfo
    |   |-- ProtocolVersionError      FAILED_PRECONDITION
    |   |-- OpenSetError              FAILED_PRECONDITION  another open data set, or another order of it
    |   |-- OutputError              FAILED_PRECONDITION
    |   |-- FederationError           FAILED_PRECONDITION  a message for another federation
    |   |-- EpochError                FAILED_PRECONDITION  a message from before the store was restored: join again
    |   |-- BehindError               UNAVAILABLE          the server's store is older than what the client knows
    |   |-- MembershipError           PERMISSION_DENIED    not joined, not sampled, or evicted
    |   |-- IdentityError             PERMISSION_DENIED    a name that is not the certificate's
    |   |-- RoleError                 PERMISSION_DENIED    a client acting as operator, or the reverse
    |   |-- CertificateError          UNAUTHENTICATED      revoked, expired, or not this federation's
    |   |-- TokenError                UNAUTHENTICATED      an enrolment token used before, expired or unknown
    |   |-- ClientNameError           INVALID_ARGUMENT     a client name that cannot be used
    |   |-- RoundError                INVALID_ARGUMENT     a round that has not opened
    |   |-- KeysError                 INVALID_ARGUMENT     rows that were not asked for, or not all of them
    |   |-- ShapeError                INVALID_ARGUMENT     shape, element type or kind of the values
    |   |-- ValuesError               INVALID_ARGUMENT     not finite, out of range, rows that do not sum to 1
    |   |-- StreamError               INVALID_ARGUMENT     a truncated or malformed message
    |   |-- SizeError                 RESOURCE_EXHAUSTED   larger than the limits, or the round, allow
    |   |-- BusyError                 RESOURCE_EXHAUSTED   more calls at a time than a client may have
    |   |-- SlowError                 DEADLINE_EXCEEDED    an uplink that did not arrive in the time allowed
    |   |-- ConflictError             ALREADY_EXISTS       other content under the name of an accepted uplink
    |   |-- StoreFullError            UNAVAILABLE          the server's disk is full: try again later
    |   `-- NotServedError            UNIMPLEMENTED        the server has no open data to send
    `-- SetupError                a person's mistake on this machine; never crosses the wire
        |-- SettingsError             configuration file, variables, flags
        |-- MethodError               no such method, or wrong options
        |-- DataError                 data that is missing or unusable
        |-- UserCodeError             the user's own model or data raised
        |-- PolicyError               more than this machine's owner allows
        |-- ListenError               the address cannot be bound
        |-- UnreachableError          no server answered in the time allowed
        |-- EndedError                the federation failed or was stopped
        `-- InternalError             a defect of limbeck itself

Each says what was wrong, what was expected, and what to do.
"""

from typing import ClassVar


class LimbeckError(Exception):
    """One refusal: what was wrong, what was expected instead, and the remedy. `page` of the site says more.

    >>> str(LimbeckError("no model in runs", expected="a folder with a model", remedy="name another"))
    'no model in runs; expected a folder with a model; name another'
    """

    page: ClassVar[str] = ""

    def __init__(self, wrong: str, *, expected: str = "", remedy: str = "") -> None:
        self.wrong = wrong
        self.expected = expected
        self.remedy = remedy
        super().__init__(wrong)

    def __str__(self) -> str:
        parts = [self.wrong]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.remedy:
            parts.append(self.remedy)
        return "; ".join(parts)


class RefusalError(LimbeckError):
    """The server refused a message. `status` is the gRPC status code's name, `reason` the ErrorInfo's.

    `again`: the same message may be taken later.
    """

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "REFUSED"
    again: ClassVar[bool] = False


class ProtocolVersionError(RefusalError):
    """The two sides speak different versions of the protocol."""

    reason = "PROTOCOL_VERSION"


class OpenSetError(RefusalError):
    """The client holds another open data set than the federation."""

    page = "protocol.md#open-data"

    reason = "OPEN_SET_DIFFERS"


class OutputError(RefusalError):
    """The client's learner predicts another number of classes."""

    reason = "OUTPUT_DIFFERS"


class FederationError(RefusalError):
    """The message belongs to another federation."""

    reason = "WRONG_FEDERATION"


class EpochError(RefusalError):
    """The message is from before the server's store was restored from a backup."""

    reason = "WRONG_EPOCH"


class BehindError(RefusalError):
    """The client has begun a later round than the server knows of: the store is an older copy."""

    status = "UNAVAILABLE"
    reason = "SERVER_BEHIND"
    again = True


class MembershipError(RefusalError):
    """The sender has not joined, does not take part in the round, or was evicted."""

    status = "PERMISSION_DENIED"
    reason = "NOT_A_PARTICIPANT"


class IdentityError(RefusalError):
    """The message claims another name than the sender's certificate."""

    status = "PERMISSION_DENIED"
    reason = "WRONG_IDENTITY"


class RoleError(RefusalError):
    """The sender's certificate is for another role than the call needs."""

    status = "PERMISSION_DENIED"
    reason = "WRONG_ROLE"


class CertificateError(RefusalError):
    """The sender's certificate was revoked, has expired, or was not given out by this federation."""

    page = "operate.md#certificates"

    status = "UNAUTHENTICATED"
    reason = "CERTIFICATE_REFUSED"


class TokenError(RefusalError):
    """The enrolment token was used before, has expired, was cancelled or is unknown."""

    page = "operate.md#certificates"

    status = "UNAUTHENTICATED"
    reason = "TOKEN_REFUSED"


class ClientNameError(RefusalError):
    """The client's name is empty, too long or has characters outside [A-Za-z0-9._-]."""

    status = "INVALID_ARGUMENT"
    reason = "BAD_CLIENT_NAME"


class RoundError(RefusalError):
    """The message names a round that has not opened."""

    status = "INVALID_ARGUMENT"
    reason = "WRONG_ROUND"


class KeysError(RefusalError):
    """The block's keys are not the ones that were asked for."""

    status = "INVALID_ARGUMENT"
    reason = "WRONG_KEYS"


class ShapeError(RefusalError):
    """The block's shape, element type or kind is not the one asked for."""

    status = "INVALID_ARGUMENT"
    reason = "WRONG_SHAPE"


class ValuesError(RefusalError):
    """The block holds values that are not finite, out of range, or rows that do not sum to 1."""

    status = "INVALID_ARGUMENT"
    reason = "BAD_VALUES"


class StreamError(RefusalError):
    """The message is truncated or malformed."""

    status = "INVALID_ARGUMENT"
    reason = "BAD_STREAM"


class SizeError(RefusalError):
    """The message is larger than the limits or the round allow, or longer than it declared."""

    status = "RESOURCE_EXHAUSTED"
    reason = "TOO_LARGE"


class BusyError(RefusalError):
    """The sender has as many calls open as one client may have."""

    status = "RESOURCE_EXHAUSTED"
    reason = "TOO_MANY_CALLS"


class SlowError(RefusalError):
    """The uplink did not arrive in the time that the server allows."""

    status = "DEADLINE_EXCEEDED"
    reason = "TOO_SLOW"


class ConflictError(RefusalError):
    """Another uplink of this client was already accepted for the round."""

    status = "ALREADY_EXISTS"
    reason = "CONFLICTING_UPLINK"


class StoreFullError(RefusalError):
    """The server's disk has no room for the message now."""

    status = "UNAVAILABLE"
    reason = "STORE_FULL"
    again = True


class NotServedError(RefusalError):
    """The server has no open data to send."""

    status = "UNIMPLEMENTED"
    reason = "OPEN_DATA_NOT_SERVED"


class SetupError(LimbeckError):
    """A mistake on this machine, reported to the person who can correct it."""


class SettingsError(SetupError):
    """The configuration file, a variable or a flag is wrong."""


class MethodError(SetupError):
    """There is no such method, or its options are wrong."""

    page = "own-method.md"


class DataError(SetupError):
    """The data is missing or cannot be used."""

    page = "own-model.md"


class UserCodeError(SetupError):
    """The user's own model or data could not be loaded, or raised."""

    page = "own-model.md#your-own-model"


class MethodCodeError(UserCodeError):
    """A method's own code raised."""

    page = "own-method.md"


class PolicyError(SetupError):
    """The federation asks for more, or more would leave, than this machine's owner allows."""

    page = "own-model.md#you-decide-what-leaves"


class ListenError(SetupError):
    """The address cannot be bound."""


class UnreachableError(SetupError):
    """No server answered within the time allowed."""

    page = "index.md#when-something-goes-wrong"


class EndedError(SetupError):
    """The federation failed or was stopped before this client was done."""


class InternalError(SetupError):
    """A defect of limbeck itself: the log has the traceback."""


def refusals() -> dict[str, type[RefusalError]]:
    """Return every refusal by its ErrorInfo reason."""
    return {kind.reason: kind for kind in RefusalError.__subclasses__()}
