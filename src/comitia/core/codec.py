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
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeVar, Union, cast

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


class Written(NamedTuple):
    """A value, its canonical bytes, and what these are made of: the fields of a dataclass, the entries of a map."""

    value: object
    data: bytes
    parts: Mapping[str, Written]


def write_again(value: object, before: Written | None = None) -> Written:
    """The canonical bytes of the next version of a dataclass, for the price of what is new in it.

    Parameters
    ----------
    value : dataclass
        Whose fields, and the entries of whose maps, are never changed but replaced.
    before : Written or None
        An earlier version: what is the same object in both is not written again.

    Raises
    ------
    TypeError, ValueError
        As `encode`.
    """
    names = _canonical_names(cast(Hashable, type(value)))
    if names is None:
        raise TypeError(f"{type(value).__name__} has no fields")
    known = {} if before is None else before.parts
    return _joined(value, {name: _part(getattr(value, name), known.get(name)) for name in names})


def _part(value: object, before: Written | None) -> Written:
    """What is written of a field."""
    if before is not None and before.value is value:
        return before
    if type(value) is not dict or not all(type(key) is str for key in value):
        return Written(value, encode(value), {})
    known = {} if before is None else before.parts
    parts = {}
    for key in sorted(value, key=_place):
        entry, was = value[key], known.get(key)
        parts[key] = was if was is not None and was.value is entry else Written(entry, encode(entry), {})
    return _joined(value, parts)


def _joined(value: object, parts: dict[str, Written]) -> Written:
    pieces = [_map_head(len(parts))]
    for key, part in parts.items():
        pieces += (_key(key), part.data)
    return Written(value, b"".join(pieces), parts)


@lru_cache(1 << 10)
def _key(key: str) -> bytes:
    return encode(key)


def _map_head(count: int) -> bytes:
    """The bytes before the entries of a map (RFC 8949, section 3)."""
    if count < 24:
        return bytes((0xA0 | count,))
    width = next(width for width in (1, 2, 4, 8) if count < 1 << 8 * width)
    return bytes((0xB7 + width.bit_length(),)) + count.to_bytes(width, "big")


def decode_plain(data: bytes, *, limit: int = DEFAULT_LIMIT) -> Plain:
    """Read canonical bytes into plain values.

    Raises
    ------
    ProtocolError
        If `data` is longer than `limit`, is not CBOR, is nested too deeply, holds a float, a tag or an
        integer that is too long, or is not in canonical form.
    """
    value = _load(data, limit)
    try:
        _check_plain(value, 0)
    except _Refused as refused:
        raise refused.told() from None
    return value


def decode(cls: type[T], data: bytes, *, limit: int = DEFAULT_LIMIT) -> T:
    """Read canonical bytes into the dataclass `cls`, by the types of its fields.

    Raises
    ------
    ProtocolError
        As `decode_plain`; and for a missing, unknown or wrongly typed field, naming its path.
    """
    value = _load(data, limit)
    try:
        return cast(T, _reader(cast(Hashable, cls))(value))
    except _Refused as refused:
        raise refused.told(cls.__name__) from None


def _load(data: bytes, limit: int) -> Plain:
    """Values whose bytes come out the same again; the order of maps, and what values there are, is not judged yet."""
    if len(data) > limit:
        raise ProtocolError(
            f"{len(data)} bytes where at most {limit} are accepted",
            code="too-large",
            size=len(data),
            limit=limit,
        )
    try:
        value = cbor2.loads(data, semantic_decoders=_NO_TAGS, strict_hashable_types=True)
        again = cbor2.dumps(value)  # maps keep the order in which they came
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise ProtocolError(f"not canonical CBOR: {error}", code="malformed") from error
    if again != data:
        raise ProtocolError("the bytes are not in canonical form", code="not-canonical")
    return value


class _Refused(Exception):
    """What is wrong with a value. Whoever was reading what holds it adds where, from the inside out."""

    def __init__(self, what: str, *, code: str = "malformed", expected: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.code = code
        self.expected = expected
        self.path: list[str] = []

    def within(self, step: str) -> _Refused:
        self.path.append(step)
        return self

    def told(self, root: str = "") -> ProtocolError:
        path = root + "".join(reversed(self.path))
        message = f"{path}: {self.what}" if path else self.what
        facts = {"expected": self.expected} if self.expected else {}
        return ProtocolError(message, code=self.code, hint="", path=path, **facts)


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


def _check_plain(value: Plain, depth: int) -> None:
    kind = type(value)
    if kind in _ATOMS:
        return
    if kind is int:
        _check_integer(value)
    elif kind is list:
        _check_depth(value, depth)
        for index, item in enumerate(value):
            if type(item) not in _ATOMS:
                try:
                    _check_plain(item, depth + 1)
                except _Refused as refused:
                    raise refused.within(f"[{index}]") from None
    elif kind is dict:
        _check_depth(value, depth)
        if tuple(value) not in _ORDERS:
            _check_keys(value)
        for key, item in value.items():
            if type(item) not in _ATOMS:
                try:
                    _check_plain(item, depth + 1)
                except _Refused as refused:
                    raise refused.within(f".{key}") from None
    else:
        raise _Refused(f"{kind.__name__} is not a canonical value")


def _check_integer(value: int) -> None:
    if value.bit_length() > MAX_INTEGER_BITS:
        raise _Refused(f"an integer has more than {MAX_INTEGER_BITS} bits")


def _check_depth(value: list[Plain] | dict[Plain, Plain], depth: int) -> None:
    if depth > MAX_DEPTH or (depth == MAX_DEPTH and value):
        raise _Refused(f"nested more than {MAX_DEPTH} deep")


def _check_keys(value: dict[Plain, Plain]) -> None:
    if not all(isinstance(key, str) for key in value):
        raise _Refused("a map has a key that is not text")
    if list(value) != sorted(value, key=_place):
        raise _Refused("the bytes are not in canonical form", code="not-canonical")


_Reader = Callable[[Plain], object]


def _expected(expected: str, value: Plain) -> _Refused:
    return _Refused(f"expected {expected}, got {type(value).__name__}", expected=expected)


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
    if hint is int:
        return _read_integer
    if hint in (bool, str, bytes):
        return _read_atom(hint)
    raise TypeError(f"{hint} cannot be read from canonical bytes")


def _read_integer(value: Plain) -> object:
    # type(), not isinstance: True must not pass for 1, they have different bytes.
    if type(value) is not int:
        raise _expected("int", value)
    _check_integer(value)
    return value


def _read_atom(kind: type) -> _Reader:
    def read(value: Plain) -> object:
        if type(value) is not kind:
            raise _expected(kind.__name__, value)
        return value

    return read


def _read_enum(kind: type[StrEnum]) -> _Reader:
    def read(value: Plain) -> object:
        try:
            return kind(value)
        except ValueError:
            raise _expected(f"one of {', '.join(kind)}", value) from None

    return read


def _read_optional(reader: _Reader) -> _Reader:
    return lambda value: None if value is None else reader(value)


def _read_sequence(reader: _Reader) -> _Reader:
    def read(value: Plain) -> object:
        if type(value) is not list:
            raise _expected("a list", value)
        items: list[object] = []
        try:
            items.extend(map(reader, value))
        except _Refused as refused:
            raise refused.within(f"[{len(items)}]") from None
        return tuple(items)

    return read


def _read_fixed(readers: tuple[_Reader, ...]) -> _Reader:
    def read(value: Plain) -> object:
        if type(value) is not list or len(value) != len(readers):
            raise _expected(f"a list of {len(readers)}", value)
        items: list[object] = []
        try:
            for reader, item in zip(readers, value, strict=True):
                items.append(reader(item))
        except _Refused as refused:
            raise refused.within(f"[{len(items)}]") from None
        return tuple(items)

    return read


def _read_map(reader: _Reader) -> _Reader:
    def read(value: Plain) -> object:
        if type(value) is not dict:
            raise _expected("a map", value)
        _check_keys(value)
        items: dict[str, object] = {}
        key = ""
        try:
            for key, item in value.items():
                items[key] = reader(item)
        except _Refused as refused:
            raise refused.within(f".{key}") from None
        return items

    return read


def _read_dataclass(cls: type) -> _Reader:
    hints = typing.get_type_hints(cls)
    names = _canonical_names(cast(Hashable, cls)) or ()
    readers = tuple((name, _reader(hints[name])) for name in names)

    def read(value: Plain) -> object:
        if type(value) is not dict:
            raise _expected(f"a map for {cls.__name__}", value)
        if tuple(value) != names:
            raise _other_fields(value, names)
        arguments: dict[str, object] = {}
        name = ""
        try:
            for name, reader in readers:
                arguments[name] = reader(value[name])
        except _Refused as refused:
            raise refused.within(f".{name}") from None
        try:
            return cls(**arguments)
        except ValueError as error:
            raise _Refused(str(error)) from error

    return read


def _other_fields(value: dict[Plain, Plain], names: tuple[str, ...]) -> _Refused:
    """What is wrong with a map that does not have just these keys in this order."""
    missing = sorted(set(names) - value.keys())
    unknown = sorted(str(key) for key in value.keys() - set(names))
    if missing or unknown:
        return _Refused(f"missing fields {missing}, unknown fields {unknown}")
    return _Refused("the bytes are not in canonical form", code="not-canonical")
