"""Canonical bytes: equal values have equal bytes, and nothing else is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.core.codec import decode, decode_plain, encode, write_again
from comitia.core.errors import ProtocolError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    colour: Colour
    data: bytes
    flag: bool
    inner: Inner | None
    items: tuple[Inner, ...]
    pairs: tuple[tuple[str, int], ...]
    table: dict[str, int]


text = st.text(max_size=8)
inners = st.builds(Inner, name=text, size=st.integers(-(2**70), 2**70))
outers = st.builds(
    Outer,
    colour=st.sampled_from(Colour),
    data=st.binary(max_size=40),
    flag=st.booleans(),
    inner=st.none() | inners,
    items=st.lists(inners, max_size=4).map(tuple),
    pairs=st.lists(st.tuples(text, st.integers(0, 9)), max_size=3).map(tuple),
    table=st.dictionaries(text, st.integers(), max_size=4),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=9) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(outers)
def test_what_is_encoded_decodes_to_the_same(value: Outer) -> None:
    assert decode(Outer, encode(value)) == value


@given(plain)
def test_plain_values_round_trip(value: object) -> None:
    assert decode_plain(encode(value)) == value


@given(st.dictionaries(text, st.integers(), min_size=2, max_size=6))
def test_the_order_of_a_map_does_not_show(value: dict[str, int]) -> None:
    assert encode(dict(reversed(value.items()))) == encode(value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_are_canonical(data: bytes) -> None:
    try:
        value = decode_plain(data)
    except ProtocolError:
        return
    assert encode(value) == data


@given(outers, st.data())
def test_a_flipped_bit_never_decodes_to_another_form_of_the_same(value: Outer, data: st.DataObject) -> None:
    good = encode(value)
    position = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[position // 8] ^= 1 << position % 8
    try:
        assert decode(Outer, bytes(bad)) != value
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"name": "a", "size": True}, "Inner.size"),
        ({"name": 3, "size": 1}, "Inner.name"),
        ({"name": "a"}, "Inner"),
        ({"name": "a", "size": 1, "more": 2}, "Inner"),
        ([1, 2], "Inner"),
    ],
)
def test_a_wrong_shape_is_refused_and_named(value: object, path: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(Inner, encode(value))
    assert caught.value.code == "malformed"
    assert caught.value.values["path"] == path


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("1801"),  # 1 in two bytes
        bytes.fromhex("a2616201616101"),  # keys out of order
        bytes.fromhex("9f01ff"),  # indefinite length
        cbor2.dumps(1.5),
        cbor2.dumps({1: 2}),
        cbor2.dumps(cbor2.CBORTag(1, 5)),
        b"\x81" * 5000 + b"\x00",
        b"",
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_what_is_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_plain(data)


def test_size_is_checked_before_parsing() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_plain(b"\x00" * 11, limit=10)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize("value", [1.5, {1: 2}, {"a": 0.0}, object()])
def test_floats_and_the_like_have_no_canonical_bytes(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("bits", [1025, 100_000])
def test_an_integer_that_nobody_could_print_is_refused(bits: int) -> None:
    with pytest.raises(ProtocolError, match="1024 bits"):
        decode_plain(cbor2.dumps([1 << bits - 1], canonical=True))
    with pytest.raises(ValueError, match="1024 bits"):
        encode([1 << bits - 1])
    assert decode_plain(encode([(1 << 1024) - 1])) == [(1 << 1024) - 1]


@given(outers, outers)
def test_the_next_version_of_a_value_has_its_canonical_bytes(before: Outer, after: Outer) -> None:
    first = write_again(before)
    mixed = replace(after, data=before.data, inner=before.inner, table={**after.table, **before.table})
    assert first.data == encode(before)
    for version in (after, mixed, before):
        assert write_again(version, first).data == encode(version)


@pytest.mark.parametrize("entries", [0, 23, 24, 255, 256, 70_000])
def test_maps_of_any_size_are_written_again(entries: int) -> None:
    value = Outer(
        colour=Colour.RED,
        data=b"",
        flag=True,
        inner=None,
        items=(),
        pairs=(),
        table={f"{n}": n for n in range(entries)},
    )
    assert write_again(value, write_again(value)).data == write_again(value).data == encode(value)


def test_what_has_stayed_is_not_written_again() -> None:
    sheets = {"a": Inner(name="a" * 300, size=1), "b": Inner(name="b" * 300, size=2)}
    before = write_again(Sheets(sheets=sheets))
    after = write_again(Sheets(sheets={**sheets, "b": Inner(name="c", size=3)}), before)
    assert after.parts["sheets"].parts["a"] is before.parts["sheets"].parts["a"]
    assert after.data == encode(Sheets(sheets={**sheets, "b": Inner(name="c", size=3)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    sheets: dict[str, Inner]


@pytest.mark.parametrize("value", [Sheets(sheets={1: 2}), Sheets(sheets={"a": 0.5}), Sheets(sheets=0.5), {}])  # type: ignore[arg-type, dict-item]
def test_nothing_else_is_written_again_than_is_encoded(value: object) -> None:
    with pytest.raises(TypeError):
        write_again(value)
