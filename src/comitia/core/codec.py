"""Canonical bytes: deterministic CBOR (RFC 8949, section 4.2) and dataclasses checked against their types.

Everything that is hashed or signed goes through here. The values are integers, byte strings, text,
lists and maps with text keys; there are no floats, so equal values have equal bytes on every machine.
Decoding accepts exactly what encoding produces: bytes that would not come out the same again are refused.
"""

from __future__ import annotations

import hashlib
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast

import cbor2

from comitia.core.errors import ProtocolError

T = TypeVar("T")
Plain = Any
"""A value CBOR knows: None, bool, int, bytes, str, list, dict with text keys."""

DEFAULT_LIMIT = 1 << 20
"""Most bytes that `decode` reads unless told otherwise."""

MAX_DEPTH = 64

MAX_INTEGER_BITS = 1024
"""Widest integer. Python prints no number beyond 4,300 digits, and arithmetic on a longer one takes its time."""


class _NoTags(Mapping[int, Callable[[Any, bool], Any]]):
    """Refuses every CBOR tag but the two for integers beyond 64 bits.

    Tags for shared values and repeated strings let a few bytes stand for gigabytes; they have to be refused while
    the bytes are read, the check of the values would come too late.
    """

    def __getitem__(self, tag: int) -> Callable[[Any, bool], Any]:
        if tag in (2, 3):
            raise KeyError(tag)
        return _refuse_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _refuse_tag(content: Any, immutable: bool) -> Any:
    raise cbor2.CBORDecodeError("tags are not accepted")


_NO_TAGS = _NoTags()


def digest(data: bytes) -> bytes:
    """SHA-256 of `data`, 32 bytes."""
    return hashlib.sha256(data).digest()


def encode(value: object) -> bytes:
    """The canonical bytes of a value.

    Raises
    ------
    TypeError
        For a float, a map with keys that are not text, or an object with no canonical form.
    ValueError
        For an integer of more than `MAX_INTEGER_BITS`.
    """
    return cbor2.dumps(_plain(value, _canonical_names))


def decode_plain(data: bytes, *, limit: int = DEFAULT_LIMIT) -> Plain:
    """Read canonical bytes into plain values.

    Raises
    ------
    ProtocolError
        If `data` is longer than `limit`, is not CBOR, is nested too deeply, holds a float, a tag or an
        integer that is too long, or is not in canonical form.
    """
    if len(data) > limit:
        raise ProtocolError(
            f"{len(data)} bytes where at most {limit} are accepted",
            code="too-large",
            size=len(data),
            limit=limit,
        )
    try:
        value = cbor2.loads(data, semantic_decoders=_NO_TAGS, strict_hashable_types=True)
        again = cbor2.dumps(value)  # maps keep the order in which they came; `_check_plain` looks at it
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise ProtocolError(f"not canonical CBOR: {error}", code="malformed") from error
    if again != data:
        raise ProtocolError("the bytes are not in canonical form", code="not-canonical")
    _check_plain(value, "", 0)
    return value


def decode(cls: type[T], data: bytes, *, limit: int = DEFAULT_LIMIT) -> T:
    """Read canonical bytes into the dataclass `cls`, by the types of its fields.

    Raises
    ------
    ProtocolError
        As `decode_plain`; and for a missing, unknown or wrongly typed field, naming its path.
    """
    return from_plain(cls, decode_plain(data, limit=limit))


def from_plain(cls: type[T], value: Plain) -> T:
    """Read plain values into the dataclass `cls`; errors as `decode`."""
    return cast(T, _reader(cast(Hashable, cls))(value, cls.__name__))


def to_plain(value: object) -> Plain:
    """The plain values that `encode` writes for a dataclass, its fields in the order of their declaration."""
    return _plain(value, _field_names)


_ATOMS = frozenset({type(None), bool, bytes, str})
"""What stands for itself; the loops look here before they call, since most values are of these."""


_Names = Callable[[Any], tuple[str, ...] | None]
"""Names of a dataclass' fields; None for another type."""


def _plain(value: Any, names_of: _Names) -> Plain:
    """The plain form of a value, the fields of a dataclass in the order that `names_of` gives."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is int:
        if value.bit_length() > MAX_INTEGER_BITS:
            raise ValueError(f"an integer has more than {MAX_INTEGER_BITS} bits")
        return value
    if kind is tuple or kind is list:
        return [item if type(item) in _ATOMS else _plain(item, names_of) for item in value]
    names = names_of(kind)
    if names is not None:
        return {
            name: item
            if (of := type(item := getattr(value, name))) in _ATOMS
            or (of is int and item.bit_length() <= MAX_INTEGER_BITS)
            else _plain(item, names_of)
            for name in names
        }
    if isinstance(value, StrEnum):
        return value.value
    if kind is dict or isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a canonical map has text keys only")
        return {str(key): _plain(value[key], names_of) for key in sorted(value, key=_place)}
    raise TypeError(f"{kind.__name__} has no canonical form")


def _place(key: str) -> tuple[int, bytes]:
    """What the keys of a canonical map are sorted by: their own canonical bytes."""
    data = key.encode()
    return len(data), data


@cache
def _field_names(cls: Hashable) -> tuple[str, ...] | None:
    return tuple(field.name for field in fields(cls)) if is_dataclass(cls) else None


@cache
def _canonical_names(cls: Hashable) -> tuple[str, ...] | None:
    names = _field_names(cls)
    if names is None:
        return None
    ordered = tuple(sorted(names, key=_place))
    _ORDERS.add(ordered)
    return ordered


_ORDERS: set[tuple[str, ...]] = set()
"""Keys of known classes in canonical order: maps that have just these need no sorting to be found in order."""


def _check_plain(value: Plain, path: str, depth: int) -> None:
    if depth > MAX_DEPTH or (depth == MAX_DEPTH and isinstance(value, list | dict) and value):
        raise ProtocolError(f"nested more than {MAX_DEPTH} deep", code="malformed", path=path)
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise ProtocolError(f"an integer has more than {MAX_INTEGER_BITS} bits", code="malformed", path=path)
    if value is None or isinstance(value, bool | int | bytes | str):
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            if type(item) not in _ATOMS:
                _check_plain(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, dict):
        if tuple(value) not in _ORDERS:
            _check_keys(value, path)
        for key, item in value.items():
            if type(item) not in _ATOMS:
                _check_plain(item, f"{path}.{key}", depth + 1)
    else:
        raise ProtocolError(f"{type(value).__name__} is not a canonical value", code="malformed", path=path)


def _check_keys(value: dict[Plain, Plain], path: str) -> None:
    if not all(isinstance(key, str) for key in value):
        raise ProtocolError("a map has a key that is not text", code="malformed", path=path)
    if list(value) != sorted(value, key=_place):
        raise ProtocolError("the bytes are not in canonical form", code="not-canonical", path=path)


_Reader = Callable[[Plain, str], object]


def _refuse(path: str, expected: str, value: Plain) -> ProtocolError:
    return ProtocolError(
        f"{path}: expected {expected}, got {type(value).__name__}",
        code="malformed",
        path=path,
        expected=expected,
    )


@cache
def _reader(hint: Any) -> _Reader:
    """The function that reads a plain value as `hint`; built once for each type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.NewType):
        return _reader(hint.__supertype__)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _read_sequence(_reader(arguments[0]))
    if origin is tuple:
        return _read_fixed(tuple(_reader(item) for item in arguments))
    if origin in (dict, Mapping):
        return _read_map(_reader(arguments[1]))
    if origin in (Union, types.UnionType):
        others = [item for item in arguments if item is not type(None)]
        if len(others) == 1 and len(arguments) == 2:
            return _read_optional(_reader(others[0]))
        raise TypeError(f"{hint} cannot be read: only X | None is")
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _read_enum(hint)
    if is_dataclass(hint):
        return _read_dataclass(cast(type, hint))
    if hint in (int, bool, str, bytes):
        return _read_scalar(hint)
    raise TypeError(f"{hint} cannot be read from canonical bytes")


def _read_scalar(kind: type) -> _Reader:
    def read(value: Plain, path: str) -> object:
        # type(), not isinstance: True must not pass for 1, they have different bytes.
        if type(value) is not kind:
            raise _refuse(path, kind.__name__, value)
        return value

    return read


def _read_enum(kind: type[StrEnum]) -> _Reader:
    def read(value: Plain, path: str) -> object:
        try:
            return kind(value)
        except ValueError:
            raise _refuse(path, f"one of {', '.join(kind)}", value) from None

    return read


def _read_optional(reader: _Reader) -> _Reader:
    return lambda value, path: None if value is None else reader(value, path)


def _read_sequence(reader: _Reader) -> _Reader:
    def read(value: Plain, path: str) -> object:
        if not isinstance(value, list):
            raise _refuse(path, "a list", value)
        return tuple(reader(item, f"{path}[{index}]") for index, item in enumerate(value))

    return read


def _read_fixed(readers: tuple[_Reader, ...]) -> _Reader:
    def read(value: Plain, path: str) -> object:
        if not isinstance(value, list) or len(value) != len(readers):
            raise _refuse(path, f"a list of {len(readers)}", value)
        return tuple(
            reader(item, f"{path}[{index}]") for index, (reader, item) in enumerate(zip(readers, value, strict=True))
        )

    return read


def _read_map(reader: _Reader) -> _Reader:
    def read(value: Plain, path: str) -> object:
        if not isinstance(value, dict):
            raise _refuse(path, "a map", value)
        return {key: reader(item, f"{path}.{key}") for key, item in value.items()}

    return read


def _read_dataclass(cls: type) -> _Reader:
    hints = typing.get_type_hints(cls)
    readers = {name: _reader(hints[name]) for name in _canonical_names(cast(Hashable, cls)) or ()}

    def read(value: Plain, path: str) -> object:
        if not isinstance(value, dict):
            raise _refuse(path, f"a map for {cls.__name__}", value)
        if value.keys() != readers.keys():
            missing = sorted(readers.keys() - value.keys())
            unknown = sorted(value.keys() - readers.keys())
            raise ProtocolError(
                f"{path}: missing fields {missing}, unknown fields {unknown}", code="malformed", path=path
            )
        arguments = {name: reader(value[name], f"{path}.{name}") for name, reader in readers.items()}
        try:
            return cls(**arguments)
        except ValueError as error:
            raise ProtocolError(f"{path}: {error}", code="malformed", path=path) from error

    return read
