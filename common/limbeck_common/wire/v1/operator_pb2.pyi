from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("federation_id", "phase", "reason", "round", "rounds", "paused", "clients", "deadline_seconds", "waits_for", "waits_until", "then", "epoch")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    WAITS_UNTIL_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    phase: str
    reason: str
    round: int
    rounds: int
    paused: bool
    clients: _containers.RepeatedCompositeFieldContainer[ClientStatus]
    deadline_seconds: float
    waits_for: str
    waits_until: float
    then: str
    epoch: int
    def __init__(self, federation_id: _Optional[str] = ..., phase: _Optional[str] = ..., reason: _Optional[str] = ..., round: _Optional[int] = ..., rounds: _Optional[int] = ..., paused: _Optional[bool] = ..., clients: _Optional[_Iterable[_Union[ClientStatus, _Mapping]]] = ..., deadline_seconds: _Optional[float] = ..., waits_for: _Optional[str] = ..., waits_until: _Optional[float] = ..., then: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class ClientStatus(_message.Message):
    __slots__ = ("name", "present", "participates", "delivered", "silent_seconds", "bytes_up", "bytes_down", "evicted", "status", "late_round", "returns")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    PARTICIPATES_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    SILENT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BYTES_UP_FIELD_NUMBER: _ClassVar[int]
    BYTES_DOWN_FIELD_NUMBER: _ClassVar[int]
    EVICTED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LATE_ROUND_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    name: str
    present: bool
    participates: bool
    delivered: bool
    silent_seconds: float
    bytes_up: int
    bytes_down: int
    evicted: bool
    status: str
    late_round: int
    returns: int
    def __init__(self, name: _Optional[str] = ..., present: _Optional[bool] = ..., participates: _Optional[bool] = ..., delivered: _Optional[bool] = ..., silent_seconds: _Optional[float] = ..., bytes_up: _Optional[int] = ..., bytes_down: _Optional[int] = ..., evicted: _Optional[bool] = ..., status: _Optional[str] = ..., late_round: _Optional[int] = ..., returns: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("after_event",)
    AFTER_EVENT_FIELD_NUMBER: _ClassVar[int]
    after_event: int
    def __init__(self, after_event: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("number", "unix_seconds", "kind", "round", "client_name", "metrics", "text", "participants", "state", "reason")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    unix_seconds: float
    kind: str
    round: int
    client_name: str
    metrics: _containers.ScalarMap[str, float]
    text: str
    participants: _containers.RepeatedScalarFieldContainer[str]
    state: str
    reason: str
    def __init__(self, number: _Optional[int] = ..., unix_seconds: _Optional[float] = ..., kind: _Optional[str] = ..., round: _Optional[int] = ..., client_name: _Optional[str] = ..., metrics: _Optional[_Mapping[str, float]] = ..., text: _Optional[str] = ..., participants: _Optional[_Iterable[str]] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CloseRoundRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CloseRoundResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StopRequest(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class StopResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EvictRequest(_message.Message):
    __slots__ = ("client_name",)
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    client_name: str
    def __init__(self, client_name: _Optional[str] = ...) -> None: ...

class EvictResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
