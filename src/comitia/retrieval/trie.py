"""The epoch's directory: all ids in order, cut into buckets by their bits, under one Merkle root.

A super node computes it from the ledger at the border of an epoch. A light node needs only the digest: with it,
it can tell a whole bucket from a forged or shortened one, whoever hands it over.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.routing_id import ID_BITS, relevance_distance

BUCKET_SIZE: Final = 64
MEMBER_BYTES: Final = 52
"""An id of 32 bytes, a node id of 16, the share of its documents in the leaf in millionths of 4."""

EMPTY: Final = bytes(32)
"""Hash of a branch without members."""

Prefix = str
"""Leading bits of ids, as "0" and "1"."""

Rows = NDArray[np.uint8]
"""Packed members, uint8 array (m, `MEMBER_BYTES`)."""


@dataclass(frozen=True, slots=True)
class Member:
    """A participant under one of its ids.

    Attributes
    ----------
    node : NodeId
    place : bytes
        The routing id, 32 bytes.
    share_ppm : int
        Share of its documents in the id's leaf, as its profile has it.
    """

    node: NodeId
    place: bytes
    share_ppm: int

    @property
    def path(self) -> Prefix:
        """All bits of the id."""
        return format(int.from_bytes(self.place, "big"), f"0{ID_BITS}b")

    def to_bytes(self) -> bytes:
        """The packed form."""
        return self.place + bytes.fromhex(self.node) + self.share_ppm.to_bytes(4, "big")


def unpack(data: bytes) -> Iterator[Member]:
    """Members from their packed form.

    Raises
    ------
    ProtocolError
        Code ``malformed``, if it is not a whole number of members.
    """
    if len(data) % MEMBER_BYTES:
        raise ProtocolError(f"{len(data)} bytes are not whole members of {MEMBER_BYTES}", code="malformed")
    for at in range(0, len(data), MEMBER_BYTES):
        node = NodeId(data[at + 32 : at + 48].hex())
        yield Member(node, data[at : at + 32], int.from_bytes(data[at + 48 : at + 52], "big"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """All members under a prefix, with the proof that they are all.

    Attributes
    ----------
    prefix : str
    members : bytes
        Packed, in the order of their ids, at most `BUCKET_SIZE`.
    siblings : tuple of bytes
        Hash of the other branch at every bit of the prefix, from the root down.
    """

    prefix: Prefix
    members: bytes
    siblings: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDigest:
    """What everyone knows of an epoch's directory.

    Attributes
    ----------
    epoch : int
    codebook : bytes
        Digest of the codebook whose leaves the ids follow.
    root : bytes
        Of the Merkle prefix trie over all ids, 32 bytes.
    counts : tuple of (int, int, int, int)
        Members of each leaf, by band.
    """

    epoch: int
    codebook: bytes
    root: bytes
    counts: tuple[tuple[int, int, int, int], ...]


def require_bucket(bucket: Bucket, root: bytes) -> tuple[Member, ...]:
    """The members of a bucket that is as the epoch's digest has it.

    1. It has no more members than a bucket may, and one sibling for every bit of a prefix. 2. All members belong under
    the prefix. 3. Members and siblings hash to the root, so none is missing, added or changed.

    Raises
    ------
    ProtocolError
        Code ``forged-bucket``.
    """
    proven = len(bucket.siblings) == len(bucket.prefix) and set(bucket.prefix) <= {"0", "1"}
    if len(bucket.members) > BUCKET_SIZE * MEMBER_BYTES or not proven:  # 1
        raise _forged(bucket, "is too big or has no full proof")
    members = tuple(unpack(bucket.members))
    if not all(member.path.startswith(bucket.prefix) for member in members):  # 2
        raise _forged(bucket, "has members that belong elsewhere")
    found = _bucket_hash(bucket.prefix, bucket.members)
    for bit, sibling in zip(reversed(bucket.prefix), reversed(bucket.siblings), strict=True):
        found = _branch_hash(sibling, found) if bit == "1" else _branch_hash(found, sibling)
    if found != root:  # 3
        raise _forged(bucket, "is not what the epoch's digest has: forged, cut short, or of another epoch")
    return members


@dataclass(frozen=True, slots=True)
class Branch:
    """A node of the trie: members `start` to `end` (excluded), two branches or none, and their hash."""

    prefix: Prefix
    start: int
    end: int
    hash: bytes
    branches: tuple[Branch, Branch] | None

    @property
    def size(self) -> int:
        return self.end - self.start


class Trie:
    """All members of an epoch, sorted by id.

    A branch with more than `BUCKET_SIZE` members is split by the next bit, any other is a bucket.

    Parameters
    ----------
    rows : uint8 array (m, MEMBER_BYTES)
        Packed members in any order; no two with the same id.
    """

    def __init__(self, rows: Rows) -> None:
        words = np.ascontiguousarray(rows[:, :32]).view(">u8").astype(np.uint64)
        order = np.lexsort(words.T[::-1])
        self.rows: Rows = np.ascontiguousarray(rows[order])
        self.order = order
        self._firsts = words[order, 0]
        self.root = self._grow("", 0, len(rows))

    @classmethod
    def of(cls, members: Iterable[Member]) -> Trie:
        """The trie of members that are not packed yet."""
        packed = b"".join(member.to_bytes() for member in members)
        return cls(np.frombuffer(packed, dtype=np.uint8).reshape(-1, MEMBER_BYTES))

    def descend(self, path: Prefix) -> Iterator[tuple[Branch, Branch | None]]:
        """The branches from the root towards the bucket of `path`, each with its sibling (None for the root)."""
        branch, sibling = self.root, None
        yield branch, sibling
        while branch.branches is not None and len(branch.prefix) < len(path):
            zero, one = branch.branches
            branch, sibling = (one, zero) if path[len(branch.prefix)] == "1" else (zero, one)
            yield branch, sibling

    def bucket(self, path: Prefix) -> Bucket:
        """The bucket that the id with these bits is in, with its proof."""
        *_, (last, _) = way = list(self.descend(path))
        return Bucket(
            prefix=last.prefix,
            members=self.packed(last.start, last.end),
            siblings=tuple(sibling.hash for _, sibling in way if sibling is not None),
        )

    def packed(self, start: int, end: int) -> bytes:
        """Members `start` to `end` (excluded) as they travel."""
        return self.rows[start:end].tobytes()

    def row_of(self, place: bytes) -> int | None:
        """Number of the member with an id; None if there is none."""
        row = int(np.searchsorted(self._firsts, np.uint64(int.from_bytes(place[:8], "big"))))
        while row < len(self.rows) and (there := self.rows[row, :32].tobytes()) <= place:
            if there == place:
                return row
            row += 1
        return None

    def shared_bits(self, left: int, right: int) -> int:
        """How many leading bits the ids of two rows share."""
        ids = (self.rows[row, :32].tobytes() for row in (left, right))
        return ID_BITS - relevance_distance(*ids).bit_length()

    def _grow(self, prefix: Prefix, start: int, end: int) -> Branch:
        depth = len(prefix)
        if end - start <= BUCKET_SIZE or depth == ID_BITS:
            return Branch(prefix, start, end, _bucket_hash(prefix, self.packed(start, end)), None)
        byte, shift = depth >> 3, 7 - (depth & 7)
        middle = bisect_left(range(end), 1, start, key=lambda row: int(self.rows[row, byte]) >> shift & 1)
        zero, one = self._grow(prefix + "0", start, middle), self._grow(prefix + "1", middle, end)
        return Branch(prefix, start, end, _branch_hash(zero.hash, one.hash), (zero, one))


def shared_bits(left: Prefix, right: Prefix) -> int:
    """How many leading bits two paths share."""
    most = min(len(left), len(right))
    if left[:most] == right[:most]:
        return most
    return next(at for at in range(most) if left[at] != right[at])


def _bucket_hash(prefix: Prefix, members: bytes) -> bytes:
    if not members:
        return EMPTY
    return hashlib.sha256(b"\x00" + len(prefix).to_bytes(2, "big") + prefix.encode() + members).digest()


def _branch_hash(zero: bytes, one: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + zero + one).digest()


def _forged(bucket: Bucket, what: str) -> ProtocolError:
    return ProtocolError(f"the bucket {bucket.prefix!r} {what}", code="forged-bucket", prefix=bucket.prefix)
