from limbeck_common.wire.v1 import block_pb2 as _block_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Receipt(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECEIPT_UNSPECIFIED: _ClassVar[Receipt]
    RECEIPT_ACCEPTED: _ClassVar[Receipt]
    RECEIPT_DUPLICATE: _ClassVar[Receipt]
    RECEIPT_LATE: _ClassVar[Receipt]
RECEIPT_UNSPECIFIED: Receipt
RECEIPT_ACCEPTED: Receipt
RECEIPT_DUPLICATE: Receipt
RECEIPT_LATE: Receipt

class JoinRequest(_message.Message):
    __slots__ = ("protocol_version", "client_name", "open_digest", "output_width")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    OPEN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_WIDTH_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    client_name: str
    open_digest: bytes
    output_width: int
    def __init__(self, protocol_version: _Optional[int] = ..., client_name: _Optional[str] = ..., open_digest: _Optional[bytes] = ..., output_width: _Optional[int] = ...) -> None: ...

class JoinResponse(_message.Message):
    __slots__ = ("federation_id", "spec_json", "open_digest", "open_data_served", "open_data_size", "unix_seconds", "epoch")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    OPEN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OPEN_DATA_SERVED_FIELD_NUMBER: _ClassVar[int]
    OPEN_DATA_SIZE_FIELD_NUMBER: _ClassVar[int]
    UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    spec_json: str
    open_digest: bytes
    open_data_served: bool
    open_data_size: int
    unix_seconds: float
    epoch: int
    def __init__(self, federation_id: _Optional[str] = ..., spec_json: _Optional[str] = ..., open_digest: _Optional[bytes] = ..., open_data_served: _Optional[bool] = ..., open_data_size: _Optional[int] = ..., unix_seconds: _Optional[float] = ..., epoch: _Optional[int] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ("federation_id", "client_name", "after_round", "wait_seconds", "learned_round", "epoch")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_ROUND_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LEARNED_ROUND_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    client_name: str
    after_round: int
    wait_seconds: float
    learned_round: int
    epoch: int
    def __init__(self, federation_id: _Optional[str] = ..., client_name: _Optional[str] = ..., after_round: _Optional[int] = ..., wait_seconds: _Optional[float] = ..., learned_round: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class PullResponse(_message.Message):
    __slots__ = ("head", "idle", "ended", "chunk")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    IDLE_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    head: Downlink
    idle: Idle
    ended: Ended
    chunk: bytes
    def __init__(self, head: _Optional[_Union[Downlink, _Mapping]] = ..., idle: _Optional[_Union[Idle, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class Idle(_message.Message):
    __slots__ = ("phase", "round")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    phase: str
    round: int
    def __init__(self, phase: _Optional[str] = ..., round: _Optional[int] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("state", "reason")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    state: str
    reason: str
    def __init__(self, state: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Downlink(_message.Message):
    __slots__ = ("federation_id", "round", "aggregate", "plan", "deadline_seconds", "payload_size", "closing")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    AGGREGATE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_SIZE_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    round: int
    aggregate: _block_pb2.Parts
    plan: _containers.RepeatedCompositeFieldContainer[_block_pb2.Ask]
    deadline_seconds: float
    payload_size: int
    closing: bool
    def __init__(self, federation_id: _Optional[str] = ..., round: _Optional[int] = ..., aggregate: _Optional[_Union[_block_pb2.Parts, _Mapping]] = ..., plan: _Optional[_Iterable[_Union[_block_pb2.Ask, _Mapping]]] = ..., deadline_seconds: _Optional[float] = ..., payload_size: _Optional[int] = ..., closing: _Optional[bool] = ...) -> None: ...

class PushRequest(_message.Message):
    __slots__ = ("head", "chunk")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    head: Uplink
    chunk: bytes
    def __init__(self, head: _Optional[_Union[Uplink, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class Uplink(_message.Message):
    __slots__ = ("federation_id", "client_name", "round", "parts", "metrics", "payload_size", "digest", "epoch")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_SIZE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    client_name: str
    round: int
    parts: _containers.RepeatedCompositeFieldContainer[_block_pb2.Part]
    metrics: _containers.ScalarMap[str, float]
    payload_size: int
    digest: bytes
    epoch: int
    def __init__(self, federation_id: _Optional[str] = ..., client_name: _Optional[str] = ..., round: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[_block_pb2.Part, _Mapping]]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., payload_size: _Optional[int] = ..., digest: _Optional[bytes] = ..., epoch: _Optional[int] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("receipt", "round")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    round: int
    def __init__(self, receipt: _Optional[_Union[Receipt, str]] = ..., round: _Optional[int] = ...) -> None: ...

class DeclineRequest(_message.Message):
    __slots__ = ("federation_id", "client_name", "round", "epoch")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    client_name: str
    round: int
    epoch: int
    def __init__(self, federation_id: _Optional[str] = ..., client_name: _Optional[str] = ..., round: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class DeclineResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OpenDataRequest(_message.Message):
    __slots__ = ("federation_id", "offset")
    FEDERATION_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    federation_id: str
    offset: int
    def __init__(self, federation_id: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class OpenDataResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...
