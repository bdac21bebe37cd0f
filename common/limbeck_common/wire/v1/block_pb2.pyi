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

class ValueKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALUE_KIND_UNSPECIFIED: _ClassVar[ValueKind]
    VALUE_KIND_PROBABILITIES: _ClassVar[ValueKind]
    VALUE_KIND_LOGITS: _ClassVar[ValueKind]
    VALUE_KIND_PARAMETERS: _ClassVar[ValueKind]
    VALUE_KIND_CODES: _ClassVar[ValueKind]
ELEMENT_TYPE_UNSPECIFIED: ElementType
ELEMENT_TYPE_FLOAT32: ElementType
ELEMENT_TYPE_FLOAT64: ElementType
ELEMENT_TYPE_FLOAT16: ElementType
ELEMENT_TYPE_UINT8: ElementType
ELEMENT_TYPE_INT64: ElementType
VALUE_KIND_UNSPECIFIED: ValueKind
VALUE_KIND_PROBABILITIES: ValueKind
VALUE_KIND_LOGITS: ValueKind
VALUE_KIND_PARAMETERS: ValueKind
VALUE_KIND_CODES: ValueKind

class Tensor(_message.Message):
    __slots__ = ("element_type", "shape", "deflated_size")
    ELEMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DEFLATED_SIZE_FIELD_NUMBER: _ClassVar[int]
    element_type: ElementType
    shape: _containers.RepeatedScalarFieldContainer[int]
    deflated_size: int
    def __init__(self, element_type: _Optional[_Union[ElementType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., deflated_size: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("open_indices", "classes", "parameters", "kind", "temperature", "values", "weight")
    OPEN_INDICES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    open_indices: Indices
    classes: Indices
    parameters: Names
    kind: ValueKind
    temperature: float
    values: _containers.RepeatedCompositeFieldContainer[Tensor]
    weight: int
    def __init__(self, open_indices: _Optional[_Union[Indices, _Mapping]] = ..., classes: _Optional[_Union[Indices, _Mapping]] = ..., parameters: _Optional[_Union[Names, _Mapping]] = ..., kind: _Optional[_Union[ValueKind, str]] = ..., temperature: _Optional[float] = ..., values: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., weight: _Optional[int] = ...) -> None: ...
