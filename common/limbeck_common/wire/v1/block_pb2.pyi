from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ElementType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ELEMENT_TYPE_UNSPECIFIED: _ClassVar[ElementType]
    ELEMENT_TYPE_FLOAT32: _ClassVar[ElementType]
    ELEMENT_TYPE_FLOAT64: _ClassVar[ElementType]
    ELEMENT_TYPE_FLOAT16: _ClassVar[ElementType]
    ELEMENT_TYPE_UINT8: _ClassVar[ElementType]
    ELEMENT_TYPE_INT64: _ClassVar[ElementType]
    ELEMENT_TYPE_UINT16: _ClassVar[ElementType]
    ELEMENT_TYPE_UINT32: _ClassVar[ElementType]

class ValueKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALUE_KIND_UNSPECIFIED: _ClassVar[ValueKind]
    VALUE_KIND_PROBABILITIES: _ClassVar[ValueKind]
    VALUE_KIND_LOGITS: _ClassVar[ValueKind]
    VALUE_KIND_PARAMETERS: _ClassVar[ValueKind]
    VALUE_KIND_MEMBERSHIPS: _ClassVar[ValueKind]
    VALUE_KIND_VALUES: _ClassVar[ValueKind]
    VALUE_KIND_FEATURES: _ClassVar[ValueKind]
    VALUE_KIND_COUNTS: _ClassVar[ValueKind]
    VALUE_KIND_VOTES: _ClassVar[ValueKind]
    VALUE_KIND_SAMPLES: _ClassVar[ValueKind]

class Weights(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHTS_UNSPECIFIED: _ClassVar[Weights]
    WEIGHTS_NONE: _ClassVar[Weights]
    WEIGHTS_BLOCK: _ClassVar[Weights]
    WEIGHTS_KEY: _ClassVar[Weights]
ELEMENT_TYPE_UNSPECIFIED: ElementType
ELEMENT_TYPE_FLOAT32: ElementType
ELEMENT_TYPE_FLOAT64: ElementType
ELEMENT_TYPE_FLOAT16: ElementType
ELEMENT_TYPE_UINT8: ElementType
ELEMENT_TYPE_INT64: ElementType
ELEMENT_TYPE_UINT16: ElementType
ELEMENT_TYPE_UINT32: ElementType
VALUE_KIND_UNSPECIFIED: ValueKind
VALUE_KIND_PROBABILITIES: ValueKind
VALUE_KIND_LOGITS: ValueKind
VALUE_KIND_PARAMETERS: ValueKind
VALUE_KIND_MEMBERSHIPS: ValueKind
VALUE_KIND_VALUES: ValueKind
VALUE_KIND_FEATURES: ValueKind
VALUE_KIND_COUNTS: ValueKind
VALUE_KIND_VOTES: ValueKind
VALUE_KIND_SAMPLES: ValueKind
WEIGHTS_UNSPECIFIED: Weights
WEIGHTS_NONE: Weights
WEIGHTS_BLOCK: Weights
WEIGHTS_KEY: Weights

class Tensor(_message.Message):
    __slots__ = ("element_type", "shape", "deflated_size")
    ELEMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DEFLATED_SIZE_FIELD_NUMBER: _ClassVar[int]
    element_type: ElementType
    shape: _containers.RepeatedScalarFieldContainer[int]
    deflated_size: int
    def __init__(self, element_type: _Optional[_Union[ElementType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., deflated_size: _Optional[int] = ...) -> None: ...

class Encoding(_message.Message):
    __slots__ = ("plain", "bits", "one_class", "top")
    PLAIN_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    ONE_CLASS_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    plain: ElementType
    bits: int
    one_class: bool
    top: Top
    def __init__(self, plain: _Optional[_Union[ElementType, str]] = ..., bits: _Optional[int] = ..., one_class: _Optional[bool] = ..., top: _Optional[_Union[Top, _Mapping]] = ...) -> None: ...

class Top(_message.Message):
    __slots__ = ("k", "values")
    K_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    k: int
    values: ElementType
    def __init__(self, k: _Optional[int] = ..., values: _Optional[_Union[ElementType, str]] = ...) -> None: ...

class Indices(_message.Message):
    __slots__ = ("sample", "ranges", "bitmap")
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    BITMAP_FIELD_NUMBER: _ClassVar[int]
    sample: SeededSample
    ranges: Ranges
    bitmap: Bitmap
    def __init__(self, sample: _Optional[_Union[SeededSample, _Mapping]] = ..., ranges: _Optional[_Union[Ranges, _Mapping]] = ..., bitmap: _Optional[_Union[Bitmap, _Mapping]] = ...) -> None: ...

class SeededSample(_message.Message):
    __slots__ = ("seed", "count", "population")
    SEED_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    seed: int
    count: int
    population: int
    def __init__(self, seed: _Optional[int] = ..., count: _Optional[int] = ..., population: _Optional[int] = ...) -> None: ...

class Ranges(_message.Message):
    __slots__ = ("gaps_and_lengths",)
    GAPS_AND_LENGTHS_FIELD_NUMBER: _ClassVar[int]
    gaps_and_lengths: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, gaps_and_lengths: _Optional[_Iterable[int]] = ...) -> None: ...

class Bitmap(_message.Message):
    __slots__ = ("bits",)
    BITS_FIELD_NUMBER: _ClassVar[int]
    bits: bytes
    def __init__(self, bits: _Optional[bytes] = ...) -> None: ...

class Names(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("open_indices", "classes", "parameters", "made", "kind", "encoding", "values", "weight", "key_weights", "row_shape")
    OPEN_INDICES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    KEY_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ROW_SHAPE_FIELD_NUMBER: _ClassVar[int]
    open_indices: Indices
    classes: Indices
    parameters: Names
    made: int
    kind: ValueKind
    encoding: Encoding
    values: _containers.RepeatedCompositeFieldContainer[Tensor]
    weight: int
    key_weights: _containers.RepeatedScalarFieldContainer[int]
    row_shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, open_indices: _Optional[_Union[Indices, _Mapping]] = ..., classes: _Optional[_Union[Indices, _Mapping]] = ..., parameters: _Optional[_Union[Names, _Mapping]] = ..., made: _Optional[int] = ..., kind: _Optional[_Union[ValueKind, str]] = ..., encoding: _Optional[_Union[Encoding, _Mapping]] = ..., values: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., weight: _Optional[int] = ..., key_weights: _Optional[_Iterable[int]] = ..., row_shape: _Optional[_Iterable[int]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("name", "block")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    name: str
    block: Block
    def __init__(self, name: _Optional[str] = ..., block: _Optional[_Union[Block, _Mapping]] = ...) -> None: ...

class Parts(_message.Message):
    __slots__ = ("parts", "digest")
    PARTS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    digest: bytes
    def __init__(self, parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., digest: _Optional[bytes] = ...) -> None: ...

class Ask(_message.Message):
    __slots__ = ("name", "kind", "open_indices", "classes", "parameters", "row_shape", "encodings", "partial", "weights")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OPEN_INDICES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ROW_SHAPE_FIELD_NUMBER: _ClassVar[int]
    ENCODINGS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: ValueKind
    open_indices: Indices
    classes: Indices
    parameters: Models
    row_shape: _containers.RepeatedScalarFieldContainer[int]
    encodings: _containers.RepeatedCompositeFieldContainer[Encoding]
    partial: bool
    weights: Weights
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[ValueKind, str]] = ..., open_indices: _Optional[_Union[Indices, _Mapping]] = ..., classes: _Optional[_Union[Indices, _Mapping]] = ..., parameters: _Optional[_Union[Models, _Mapping]] = ..., row_shape: _Optional[_Iterable[int]] = ..., encodings: _Optional[_Iterable[_Union[Encoding, _Mapping]]] = ..., partial: _Optional[bool] = ..., weights: _Optional[_Union[Weights, str]] = ...) -> None: ...

class Models(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "parameters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    def __init__(self, name: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("name", "shape")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...
