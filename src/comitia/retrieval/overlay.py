"""Looking providers up among the participants themselves, step by step, kept in hand by the one who asks.

First towards the leaf's prefix, each answer naming somebody nearer; then bucket by bucket, the bands with the largest
shares first. What a bucket says holds only if it hashes to the epoch's root. Who is silent or lies costs one attempt,
and whoever recommended it is asked last from then on.

Cf. III.B, "This process will be implemented recursively until all nodes within the relevant distance have been
traversed": there every node passes the request on, here the requester asks, so a request floods nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Final

import numpy as np

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.lookup import Ask, Query, Reply, best_first, require_codebook
from comitia.retrieval.table import Find, Found, require_nearer
from comitia.retrieval.trie import (
    BUCKET_SIZE,
    EMPTY,
    Bucket,
    EpochDigest,
    Member,
    Prefix,
    require_bucket,
    shared_bits,
)

PATIENCE: Final = 12
"""Attempts at one bucket before it is given up."""

_UNKNOWN_SIZE: Final = BUCKET_SIZE // 2
"""Members taken for granted in a part of a bucket that turned out to be cut once more."""


@dataclass(slots=True)
class _Contact:
    """Somebody who can be asked: where it is, who named it, and a number that decides between equals."""

    member: Member
    path: Prefix
    named_by: NodeId | None
    turn: float


class OverlayLookup:
    """One lookup by a requester that has a few contacts and the epoch's digest.

    Parameters
    ----------
    query : Query
    digest : EpochDigest
    code : str
        The leaf's code in the codebook.
    contacts : iterable of Member
        Who the requester can ask to begin with: of its own tables, or of its super node.
    generator : numpy Generator
        Decides whom to ask among equals, so that nobody can wait for a requester on its way.

    Raises
    ------
    ProtocolError
        If the digest is not of the query's codebook, or has no such leaf.
    """

    def __init__(
        self,
        query: Query,
        digest: EpochDigest,
        code: Prefix,
        contacts: Iterable[Member],
        generator: np.random.Generator,
    ) -> None:
        require_codebook(query, digest.codebook, len(digest.counts))
        self._most = query.most
        self._root = digest.root
        self._code = code
        self._generator = generator
        self._expected = sum(digest.counts[query.leaf])
        self._sizes = expected_buckets(code, digest.counts[query.leaf])
        self._missing: dict[Prefix, list[_Contact]] = {region: [] for region in self._sizes}
        self._elsewhere: list[_Contact] = []
        self._asked: dict[bytes, tuple[_Contact, Prefix]] = {}
        self._known: set[bytes] = set()
        self._distrust: dict[NodeId | None, int] = {}
        self._failures: dict[Prefix, int] = {}
        self._found: dict[bytes, Member] = {}
        for member in contacts:
            self._learn(member, None)

    @property
    def answer(self) -> tuple[NodeId, ...]:
        return best_first(self._found.values())[: self._most]

    @property
    def complete(self) -> bool:
        return len(self._found) >= (self._expected if self._most is None else min(self._most, self._expected))

    def ask(self) -> tuple[Ask, ...]:
        """One contact inside each bucket that is missing; where none is known, one or more on the way there."""
        while not self.complete and self._missing:
            wanted = self._wanted()
            target = _common(wanted)
            chosen = [(region, self._inside(region)) for region in wanted]
            asks = tuple(self._put(region, contact, target) for region, contact in chosen if contact is not None)
            asks = asks or self._towards(wanted[0], wanted[0] if self._found else target)
            if asks:
                return asks
            del self._missing[wanted[0]]
        return ()

    def heard(self, ask: Ask, reply: Reply) -> None:
        """Take in an answer.

        1. A bucket must be as the digest has it. 2. Contacts are no more than a table has, and lead nearer.

        Raises
        ------
        ProtocolError
            If it is not so; the answerer counts as silent.
        """
        question = ask.question
        assert isinstance(question, Find)
        try:
            if not isinstance(reply, Found):
                raise ProtocolError(f"{ask.to} answers something else", code="out-of-place", sender=ask.to)
            members = () if reply.bucket is None else require_bucket(reply.bucket, self._root)  # 1
            contacts = require_nearer(question, reply.contacts, ask.to)  # 2
        except ProtocolError:
            self.silent(ask)
            raise
        if reply.bucket is not None:
            self._cover(reply.bucket, members)
        for member in contacts:
            self._learn(member, ask.to)

    def silent(self, ask: Ask) -> None:
        """Take in that no answer came; a bucket that was tried in vain too often is no longer sought."""
        assert isinstance(ask.question, Find)
        contact, region = self._asked[ask.question.place]
        for blamed in {contact.named_by, ask.to}:
            self._distrust[blamed] = self._distrust.get(blamed, 0) + 1
        self._failures[region] = self._failures.get(region, 0) + 1
        if self._failures[region] == PATIENCE:
            self._elsewhere += self._missing.pop(region, ())

    def _wanted(self) -> list[Prefix]:
        """The missing buckets to go for now: of the best bands first, no more than hold what is missing."""
        regions = list(self._missing)
        if self._most is None:
            return regions
        before = accumulate((self._sizes.get(region, _UNKNOWN_SIZE) for region in regions), initial=len(self._found))
        return [region for region, size in zip(regions, before, strict=False) if size < self._most]

    def _inside(self, region: Prefix) -> _Contact | None:
        """Whom to ask for a missing bucket: of those in it, who was named by the least distrusted."""
        there = [contact for contact in self._missing[region] if contact.member.place not in self._asked]
        return min(there, key=self._doubt, default=None)

    def _towards(self, region: Prefix, target: Prefix) -> tuple[Ask, ...]:
        """Ask the contacts nearest to a bucket that nobody known is in; more at a time once attempts failed.

        Whoever was found in other buckets can be asked too: it has contacts of its own there.
        """
        neighbours = (_Contact(m, m.path, None, float(self._generator.random())) for m in self._found.values())
        everyone = chain(self._elsewhere, neighbours, *self._missing.values())
        known = [contact for contact in everyone if contact.member.place not in self._asked]
        known.sort(key=lambda contact: (-shared_bits(contact.path, region), *self._doubt(contact)))
        return tuple(
            self._put(region, contact, target) for contact in known[: 1 + min(2, self._failures.get(region, 0))]
        )

    def _doubt(self, contact: _Contact) -> tuple[int, float]:
        own = self._distrust.get(contact.member.node, 0)
        named = self._distrust.get(contact.named_by, 0) if contact.named_by is not None else 0
        return own * PATIENCE + named, contact.turn

    def _put(self, region: Prefix, contact: _Contact, target: Prefix) -> Ask:
        self._asked[contact.member.place] = contact, region
        return Ask(to=contact.member.node, question=Find(place=contact.member.place, target=target))

    def _learn(self, member: Member, named_by: NodeId | None) -> None:
        if member.place in self._known:
            return
        self._known.add(member.place)
        self._file(_Contact(member, member.path, named_by, float(self._generator.random())))

    def _file(self, contact: _Contact) -> None:
        """Put a contact with the missing bucket that it is in, or elsewhere."""
        lengths = {len(region) for region in self._missing}
        region = next((p for length in lengths if (p := contact.path[:length]) in self._missing), None)
        (self._elsewhere if region is None else self._missing[region]).append(contact)

    def _cover(self, bucket: Bucket, members: tuple[Member, ...]) -> None:
        """Note a verified bucket: its members, and what it leaves missing."""
        prefix = bucket.prefix
        inside = prefix.startswith(self._code)
        self._found |= {m.place: m for m in members if inside or m.path.startswith(self._code)}
        empty = {prefix[:at] + _other(prefix[at]) for at in range(len(prefix)) if bucket.siblings[at] == EMPTY}
        before, self._missing = self._missing, {}
        unfiled: list[_Contact] = []
        for region, contacts in before.items():
            parts = _without(region, prefix)
            self._missing |= {part: contacts if part == region else [] for part in parts if part not in empty}
            unfiled += contacts if parts != [region] else []
        for contact in unfiled:
            self._file(contact)


def expected_buckets(code: Prefix, counts: tuple[int, int, int, int]) -> dict[Prefix, int]:
    """Prefixes and sizes of the buckets that a leaf with these counts by band is cut into, as far as the digest tells.

    The bits below the band are those of a hash, so a band's members are spread over them evenly.
    """
    if sum(counts) <= BUCKET_SIZE:
        return {code: sum(counts)} if any(counts) else {}
    parts: dict[Prefix, int] = {}
    for band, count in enumerate(counts):
        bits = max(0, (-(-count // BUCKET_SIZE) - 1).bit_length())
        suffixes = (format(number, f"0{bits}b") for number in range(1 << bits)) if bits else ("",)
        parts |= {code + format(band, "02b") + suffix: count >> bits for suffix in suffixes if count}
    return parts


def _common(prefixes: list[Prefix]) -> Prefix:
    """The bits that all of some prefixes begin with."""
    return prefixes[0][: min(shared_bits(prefixes[0], other) for other in prefixes)]


def _without(region: Prefix, bucket: Prefix) -> list[Prefix]:
    """A region less a bucket: nothing, itself, or what is left beside the bucket."""
    if region.startswith(bucket):
        return []
    if not bucket.startswith(region):
        return [region]
    return [bucket[:at] + _other(bucket[at]) for at in range(len(region), len(bucket))]


def _other(bit: str) -> str:
    return "0" if bit == "1" else "1"
