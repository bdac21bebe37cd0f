"""Valid input, damaged on purpose: bits flipped, fields swapped and emptied, sizes that lie, numbers that are huge."""

import math
from collections.abc import Iterable
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message

_NUMBERS = [0, 1, 2, 3, 7, 8, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
_FLOATS = [0.0, -0.0, -1.0, 0.5, 1.0, 1e-45, 1e300, math.inf, -math.inf, math.nan]
_TEXTS = ["", "a", "b", "operator", "..", "a/b", "x" * 65, "é", "\x00", "\U0001f600" * 80, "test", "accuracy"]
_SIGNED = {FieldDescriptor.CPPTYPE_INT32: 32, FieldDescriptor.CPPTYPE_INT64: 64}
_UNSIGNED = {FieldDescriptor.CPPTYPE_UINT32: 32, FieldDescriptor.CPPTYPE_UINT64: 64}


def mutate(data: bytes, kinds: tuple[type[Message], ...], random: Random) -> bytes:
    """Return damaged input.

    With no `kinds` it is any bytes; with one, a message of that kind; else frames, of these kinds in this order, the
    last kind again and again.
    """
    for _ in range(random.randint(1, 3)):
        if kinds and random.random() < 0.85:
            data = _mutate_frames(data, kinds, random) if len(kinds) > 1 else _mutate_message(data, kinds[0], random)
        else:
            data = mutate_bytes(data, random)
    return data


def frames(parts: Iterable[bytes]) -> bytes:
    """Return parts in one piece: each behind its length in 4 bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def unframe(data: bytes) -> list[bytes]:
    """Return the parts, as far as they go."""
    parts = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        parts.append(data[4:end])
        data = data[end:]
    return parts


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Return data with a few bytes changed, cut out, doubled or put in; or cut short, or random altogether."""
    content = bytearray(data)
    place = random.randrange(len(content) + 1)
    span = random.choice([1, 1, 2, 4, 8, 32])
    match random.randrange(9):
        case 0 | 1 if place < len(content):
            content[place] ^= 1 << random.randrange(8)
        case 2 if place < len(content):
            content[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])
        case 3:
            del content[place : place + span]
        case 4:
            del content[place:]
        case 5:
            content[place:place] = content[place : place + span]
        case 6:
            content[place:place] = random.randbytes(span)
        case 7 if place + 8 <= len(content):
            content[place : place + 8] = random.choice(_NUMBERS).to_bytes(8, random.choice(["little", "big"]))
        case 8 if random.random() < 0.2:
            content[:] = random.randbytes(random.randrange(64))
    return bytes(content)


def _mutate_frames(data: bytes, kinds: tuple[type[Message], ...], random: Random) -> bytes:
    parts = unframe(data)
    if not parts:
        return data
    which = random.randrange(len(parts))
    match random.randrange(12):
        case 0:
            parts.append(parts[which])
        case 1:
            del parts[which]
        case 2:
            parts.insert(0, parts.pop(which))
        case _:
            parts[which] = _mutate_message(parts[which], kinds[min(which, len(kinds) - 1)], random)
    return frames(parts)


def _mutate_message(data: bytes, kind: type[Message], random: Random) -> bytes:
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return mutate_bytes(data, random)
    _change(message, random)
    try:
        return message.SerializeToString()
    except EncodeError:
        return data


def _change(message: Any, random: Random) -> None:
    """Change one field of a message, or of one within it."""
    descriptors = list(message.DESCRIPTOR.fields)
    if not descriptors:
        return
    descriptor = random.choice(descriptors)
    present = [found for found, _ in message.ListFields()]
    if present and random.random() < 0.8:
        descriptor = random.choice(present)
    name = descriptor.name
    if random.random() < 0.1:
        message.ClearField(name)
    elif _is_map(descriptor):
        _change_map(getattr(message, name), random)
    elif descriptor.is_repeated:
        _change_list(getattr(message, name), descriptor, random)
    elif descriptor.message_type is not None:
        inner = getattr(message, name)
        inner.SetInParent()
        _change(inner, random)
    else:
        setattr(message, name, _value(descriptor, getattr(message, name), random))


def _is_map(descriptor: FieldDescriptor) -> bool:
    return descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry


def _change_map(values: Any, random: Random) -> None:
    for number in range(random.choice([1, 1, 70])):
        values[random.choice(_TEXTS) + (str(number) if number else "")] = random.choice(_FLOATS)


def _change_list(values: Any, descriptor: FieldDescriptor, random: Random) -> None:
    if descriptor.message_type is not None:
        if not values or random.random() < 0.2:
            _change(values.add(), random)
        else:
            _change(random.choice(values), random)
        if random.random() < 0.1:
            values.add().CopyFrom(values[0])
        return
    content = list(values)
    place = random.randrange(len(content) + 1)
    match random.randrange(4):
        case 0:
            content.insert(place, _value(descriptor, None, random))
        case 1:
            del content[place:]
        case 2:
            content += content[: random.choice([1, 2, 200])]
        case _ if place < len(content):
            content[place] = _value(descriptor, content[place], random)
    values[:] = content


def _value(descriptor: FieldDescriptor, old: Any, random: Random) -> Any:
    kind = descriptor.cpp_type
    if kind in _UNSIGNED or kind in _SIGNED or kind == FieldDescriptor.CPPTYPE_ENUM:
        near = [] if old is None else [old + 1, old - 1, 2 * old, 4 * old]
        number = random.choice(_NUMBERS + near)
        if kind in _UNSIGNED:
            return number % 2 ** _UNSIGNED[kind]
        return number % 2 ** (_SIGNED.get(kind, 32) - 1)
    match kind:
        case FieldDescriptor.CPPTYPE_BOOL:
            return not old
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return random.choice(_FLOATS)
        case _ if descriptor.type == FieldDescriptor.TYPE_BYTES:
            return mutate_bytes(old or b"", random)
        case _:
            return random.choice(_TEXTS)
