"""A participant's retrieval table for one of its ids, and how it answers from it.

It holds its own bucket, and for every leading bit of its id up to there a few contacts on the other side: the
physically nearest of some drawn at random, so that asking is cheap and nobody can choose whose contact it is.

Cf. Fig. 5, where the table holds the whole community and log(log(n)) nodes of log(n) others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.routing_id import ID_BITS
from comitia.retrieval.trie import MEMBER_BYTES, Bucket, Member, Prefix, shared_bits, unpack

CONTACTS: Final = 4
"""Contacts kept at each level."""

CANDIDATES: Final = 16
"""Contacts drawn at each level, of which the nearest are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """Ask a participant, under one of its ids, for what it knows under or towards a prefix.

    place : the id under which it is asked.
    target : the prefix.
    nonce : 16 bytes that the answer repeats, drawn by whoever sends the question.
    """

    place: bytes
    target: Prefix
    nonce: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer to `Find`.

    bucket : the answerer's own, where it lies under the target or has it inside; else None.
    contacts : packed members, under the target or nearer to it than the answerer.
    nonce : of the question, so that no earlier answer passes for this one.
    """

    bucket: Bucket | None
    contacts: bytes
    nonce: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a participant knows under one id.

    path : all bits of the id.
    bucket : the bucket that it is in.
    levels : packed contacts; those of level l share exactly l leading bits with the id.
    """

    path: Prefix
    bucket: Bucket
    levels: tuple[bytes, ...]

    @property
    def entries(self) -> int:
        """How many participants it names, itself not counted."""
        return len(self.bucket.members) // MEMBER_BYTES - 1 + sum(map(len, self.levels)) // MEMBER_BYTES

    @property
    def contacts(self) -> bytes:
        """Everyone in it, packed: what its owner starts a lookup of its own from."""
        return b"".join(self.levels) + self.bucket.members

    def answer(self, target: Prefix) -> Found:
        """What this table has under a prefix, or else nearer to it."""
        shared = shared_bits(self.path, target)
        if shared == len(target):
            return Found(bucket=self.bucket, contacts=b"".join(self.levels[shared:]))
        bucket = self.bucket if shared >= len(self.bucket.prefix) else None
        return Found(bucket=bucket, contacts=self.levels[shared] if shared < len(self.levels) else b"")


def nearest(candidates: Sequence[Member], distance: Callable[[Member], float]) -> tuple[Member, ...]:
    """The contacts to keep of those drawn for a level; nobody who is infinitely far away."""
    far = sorted((distance(candidate), number) for number, candidate in enumerate(candidates))
    return tuple(candidates[number] for away, number in far[:CONTACTS] if away < inf)


def require_nearer(question: Find, packed: bytes, answerer: NodeId) -> list[Member]:
    """The contacts of an answer: no more than a table has, and all of them nearer to the target than the answerer.

    Raises
    ------
    ProtocolError
        Code ``malformed``.
    """
    own = format(int.from_bytes(question.place, "big"), f"0{ID_BITS}b")
    target = question.target
    shared = shared_bits(own, target)
    if len(packed) > CONTACTS * MEMBER_BYTES * (len(own) - shared):
        raise ProtocolError(f"{answerer} names more contacts than a table has", code="malformed", sender=answerer)
    members = list(unpack(packed))
    if any(shared_bits(member.path, target) < min(shared + 1, len(target)) for member in members):
        raise ProtocolError(f"{answerer} names contacts that lead away", code="malformed", sender=answerer)
    return members
