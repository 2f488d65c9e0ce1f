"""Changes to good inputs: to their bytes, and to the values that their bytes stand for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

import cbor2

from comitia.core.codec import decode_plain
from comitia.core.errors import ComitiaError

ODD_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 23, 24, 255, 256, 2**31, 2**32, 2**53 + 1, 2**63, -(2**63), 2**64, -(2**64) - 1,
    2**200, 2**40_000, 1.5, float("nan"), float("inf"), "", "*", "x" * 300, "\x00", "\u2603", b"", bytes(8), bytes(32),
    b"\xff" * 32, bytes(64), bytes(5000), [], [[]], {}, {"x": 1}, {1: 2}, [0] * 300, cbor2.CBORTag(55_799, 1),
    cbor2.CBORTag(28, [1]), cbor2.CBORTag(29, 0),
)  # fmt: skip

ODD_BYTES: Final[tuple[bytes, ...]] = (
    b"\x80", b"\xa0", b"\xf6", b"\xff", b"\x9f", b"\xbf", b"\x9b" + b"\x7f" + b"\xff" * 7, b"\x5a\x7f\xff\xff\xff",
    b"\x81" * 500, b"\xd8\x1c\x82\xd8\x1d\x00\xd8\x1d\x00", b"\xd9\x01\x00", b"\xc2\x59\xff\xff", b"\xf9\x7e\x00",
    b"\x00" * 4096, b"[[", b"]]", b'"""', b"'", b"\\u0000", b"=", b"9" * 5000, b"1e999", b"\n",
    b"\xef\xbb\xbf", b"\xed\xa0\x80",
)  # fmt: skip


def mutate(data: bytes, draw: Random, others: tuple[bytes, ...] = ()) -> bytes:
    """One to four changes; `others` are inputs to cross with."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        change = draw.choice(_CHANGES)
        data = change(data, draw, others)
    return data


def _flip(data: bytes, draw: Random, _: tuple[bytes, ...]) -> bytes:
    if not data:
        return data
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def _set_byte(data: bytes, draw: Random, _: tuple[bytes, ...]) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]


def _insert(data: bytes, draw: Random, _: tuple[bytes, ...]) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(ODD_BYTES) + data[at:]


def _cut(data: bytes, draw: Random, _: tuple[bytes, ...]) -> bytes:
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:]


def _repeat(data: bytes, draw: Random, _: tuple[bytes, ...]) -> bytes:
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end] + data[end:]


def _cross(data: bytes, draw: Random, others: tuple[bytes, ...]) -> bytes:
    if not others:
        return data
    other = draw.choice(others)
    return data[: draw.randrange(len(data) + 1)] + other[draw.randrange(len(other) + 1) :]


def _change_value(data: bytes, draw: Random, _: tuple[bytes, ...]) -> bytes:
    """Replace, drop or double one of the values, and encode again: gets past the check for canonical form."""
    try:
        value = decode_plain(data, limit=1 << 26)  # the library alone would build what references stand for
        return cbor2.dumps(_changed(value, _place(value, draw), draw), canonical=True)
    except (ComitiaError, cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError):
        return _flip(data, draw, ())


def _place(value: Any, draw: Random) -> tuple[Any, ...]:
    """The way to one of the values, mostly to one that holds no others."""
    path: list[Any] = []
    while isinstance(value, dict | list) and value and draw.random() < 0.95:
        places = list(value) if isinstance(value, dict) else range(len(value))
        path.append(draw.choice(places))
        value = value[path[-1]]
    return tuple(path)


def _changed(value: Any, path: tuple[Any, ...], draw: Random) -> Any:
    if not path:
        return _other(value, draw)
    head, *rest = path
    inner = _changed(value[head], tuple(rest), draw)
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != head}
        return kept if draw.random() < 0.05 else {**value, head: inner}
    doubled = [inner] if draw.random() < 0.9 else [inner, inner]
    return [*value[:head], *doubled, *value[head + 1 :]]


def _other(value: Any, draw: Random) -> Any:
    """Something else in the place of a value, often near it; bytes that are themselves CBOR are changed inside."""
    if isinstance(value, bytes) and draw.random() < 0.5:
        return _change_value(value, draw, ()) if draw.random() < 0.7 else _set_byte(value, draw, ())
    if type(value) is int and draw.random() < 0.5:
        return draw.choice((value + 1, value - 1, -value, value << 1, 1 << draw.randrange(70)))
    return draw.choice(ODD_VALUES)


_CHANGES: Final[tuple[Callable[[bytes, Random, tuple[bytes, ...]], bytes], ...]] = (
    _change_value, _change_value, _change_value, _flip, _set_byte, _insert, _cut, _repeat, _cross,
)  # fmt: skip
