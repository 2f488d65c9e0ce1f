"""Packets: what is confidential is sealed, what is signed belongs to one reader, session and stage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comitia.core.codec import decode, encode
from comitia.core.crypto import SealingKey, SigningKey
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, key_id, node_id
from comitia.retrieval.lookup import Alive, Probe
from comitia.retrieval.table import Find, Found
from comitia.retrieval.trie import Bucket
from comitia.roles.messages import (
    AskReveal,
    Message,
    Packet,
    PublicKeys,
    Received,
    Reveal,
    Vote,
    pack,
    unpack,
)

CHAIN = "ab" * 8
SESSION = b"s" * 32
SENDER = SigningKey.from_bytes(b"\x01" * 32)
READER_SIGNING = SigningKey.from_bytes(b"\x02" * 32)
READER = SealingKey.from_bytes(b"\x03" * 32)
SENDER_ID, READER_ID = node_id(SENDER.public), node_id(READER_SIGNING.public)
READER_KEYS = PublicKeys(signing=READER_SIGNING.public, sealing=READER.public)
REVEAL = Reveal(author=SENDER_ID, nonce=b"n" * 32, release=b"the released model" * 9)


def packed(message: Message) -> bytes:
    return pack(
        message,
        chain=CHAIN,
        epoch=0,
        session=SESSION,
        sender=SENDER_ID,
        recipient=READER_ID,
        key=SENDER,
        recipient_keys=READER_KEYS,
    )


def opened(data: bytes, *, chain: str = CHAIN, me: NodeId = READER_ID, known: bool = True) -> Received:
    keys = PublicKeys(signing=SENDER.public, sealing=b"\x00" * 32) if known else None
    return unpack(data, chain=chain, me=me, sealing=READER, keys_of=lambda _: keys)


LOOKUP = [
    Find(place=b"p" * 32, target="0101"),
    Found(bucket=None, contacts=b""),
    Found(bucket=Bucket(prefix="0", members=b"", siblings=(b"s" * 32,)), contacts=b"c" * 52),
    Probe(nonce=b"n" * 16),
    Alive(nonce=b"n" * 16),
]


@pytest.mark.parametrize(
    "message", [REVEAL, Vote(block=b"b" * 32, signature=b"s" * 64), AskReveal(authors=()), *LOOKUP]
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    received = opened(packed(message))
    assert received == Received(sender=SENDER_ID, registered=True, session=SESSION, message=message)


def test_a_release_is_not_to_be_read_on_the_way() -> None:
    assert REVEAL.release not in packed(REVEAL)


def test_a_newcomer_is_known_by_its_key_alone() -> None:
    received = opened(packed(AskReveal(authors=())), known=False)
    assert not received.registered


def test_a_newcomer_cannot_take_anothers_name() -> None:
    packet = decode(Packet, packed(AskReveal(authors=())))
    with pytest.raises(ProtocolError):
        opened(encode(replace(packet, key=READER_SIGNING.public)), known=False)


@pytest.mark.parametrize(
    "change",
    [
        {"recipient": SENDER_ID},
        {"session": b"t" * 32},
        {"stage": "ask-reveal"},
        {"stage": "reveal"},
        {"stage": "no such stage"},
        {"sender": READER_ID},
        {"sealed": True},
        {"body": b""},
    ],
)
def test_a_packet_that_was_tampered_with_is_refused(change: dict[str, object]) -> None:
    packet = decode(Packet, packed(Vote(block=b"b" * 32, signature=b"s" * 64)))
    with pytest.raises(ProtocolError):
        opened(encode(replace(packet, **change)))


def test_a_confidential_message_must_come_sealed() -> None:
    sealed = decode(Packet, packed(REVEAL))
    info = encode([CHAIN, SESSION, "reveal", SENDER_ID, READER_ID, key_id(READER.public)])
    bare = replace(sealed, sealed=False, body=READER.open(sealed.body, info=info))
    with pytest.raises(ProtocolError):
        opened(encode(bare))


def test_another_chains_packet_is_refused() -> None:
    with pytest.raises(ProtocolError):
        opened(packed(Vote(block=b"b" * 32, signature=b"s" * 64)), chain="cd" * 8)
    with pytest.raises(ProtocolError):
        opened(packed(REVEAL), chain="cd" * 8)


@pytest.mark.parametrize("message", LOOKUP)
def test_who_looks_for_what_is_sealed(message: Message) -> None:
    assert decode(Packet, packed(message)).sealed
