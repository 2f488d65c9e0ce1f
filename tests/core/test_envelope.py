"""Signed envelopes and sealing: what is signed is all of it, for one place and one reader."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.core.crypto import SealingKey, SigningKey, seal
from comitia.core.envelope import Envelope, Header
from comitia.core.errors import ProtocolError
from comitia.core.ids import key_id, node_id

KEY = SigningKey.from_bytes(b"\x01" * 32)
OTHER = SigningKey.from_bytes(b"\x02" * 32)
HEADER = Header(
    version=1,
    chain="00" * 8,
    epoch=0,
    session=b"s" * 32,
    stage="reveal",
    sender=node_id(KEY.public),
    key_id=key_id(KEY.public),
    type="reveal",
    audience="",
)


@given(st.binary(max_size=100))
def test_an_envelope_survives_the_wire(payload: bytes) -> None:
    signed = Envelope.sign(HEADER, payload, KEY)
    again = Envelope.from_bytes(signed.to_bytes())
    again.verify(KEY.public)
    assert again == signed
    assert again.digest == signed.digest


@pytest.mark.parametrize(
    "change",
    [
        {"chain": "11" * 8},
        {"epoch": 1},
        {"session": b"t" * 32},
        {"stage": "vote"},
        {"type": "vote"},
        {"audience": "someone"},
        {"sender": node_id(OTHER.public)},
    ],
)
def test_a_signature_holds_for_one_place_only(change: dict[str, object]) -> None:
    """I11: no signature is valid outside its session, stage, epoch."""
    signed = Envelope.sign(HEADER, b"payload", KEY)
    moved = Envelope(header=replace(HEADER, **change), payload=b"payload", signature=signed.signature)
    with pytest.raises(ProtocolError, match="not valid"):
        moved.verify(KEY.public)


def test_another_key_does_not_verify() -> None:
    with pytest.raises(ProtocolError):
        Envelope.sign(HEADER, b"payload", KEY).verify(OTHER.public)


def test_a_key_that_the_header_does_not_name_cannot_sign() -> None:
    with pytest.raises(ValueError, match="another key"):
        Envelope.sign(HEADER, b"payload", OTHER)


def test_an_unknown_version_is_refused() -> None:
    signed = Envelope.sign(replace(HEADER, version=2), b"", KEY)
    with pytest.raises(ProtocolError) as caught:
        Envelope.from_bytes(signed.to_bytes())
    assert caught.value.code == "unknown-version"


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_envelope(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Envelope.from_bytes(data)


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_sealed_bytes_open_for_their_reader_in_their_place(plaintext: bytes, info: bytes) -> None:
    reader = SealingKey.from_bytes(b"\x03" * 32)
    sealed = seal(reader.public, plaintext, info=info)
    assert reader.open(sealed, info=info) == plaintext
    assert plaintext not in sealed or len(plaintext) < 4
    with pytest.raises(ProtocolError):
        reader.open(sealed, info=info + b"!")
    with pytest.raises(ProtocolError):
        SealingKey.from_bytes(b"\x04" * 32).open(sealed, info=info)
    with pytest.raises(ProtocolError):
        reader.open(sealed[:-1], info=info)


def test_sealing_the_same_twice_gives_other_bytes() -> None:
    reader = SealingKey.from_bytes(b"\x03" * 32)
    assert seal(reader.public, b"x", info=b"") != seal(reader.public, b"x", info=b"")


def test_nothing_is_sealed_for_a_key_that_is_no_key() -> None:
    with pytest.raises(ProtocolError) as caught:
        seal(bytes(32), b"text", info=b"")
    assert caught.value.code == "bad-key"
