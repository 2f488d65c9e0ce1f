"""A small epoch with real records, for tests of lookups: leaves of equal depth, one or two leaves a provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.directory import make_directory, table_of
from comitia.retrieval.index import Index
from comitia.retrieval.lookup import Alive, Ask, Lookup, Probe, Reply
from comitia.retrieval.profile import RetrievalRecord
from comitia.retrieval.routing_id import routing_ids
from comitia.retrieval.table import Find, Table
from comitia.retrieval.trie import Branch, EpochDigest, Member, Trie

BOOK = bytes(32)
CODES = tuple(format(leaf, "03b") for leaf in range(8))
BEACON = b"beacon"

Tamper = Callable[[Ask, Reply], Reply | None]


def records(count: int, seed: int) -> list[RetrievalRecord]:
    """Providers with most documents in one leaf, and some in another."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        histogram = draw.integers(-2, 3, len(CODES))
        first, second = draw.integers(0, len(CODES), 2)
        histogram[first] += int(draw.integers(60, 300))
        histogram[second] += int(draw.integers(0, 120))
        made.append(
            RetrievalRecord(
                provider=NodeId(format(number + 1, "032x")),
                codebook=BOOK,
                epsilon_micro=10**6,
                histogram=tuple(int(h) for h in histogram),
            )
        )
    return made


def members_of(record: RetrievalRecord) -> list[Member]:
    """A provider under each of its ids; its key is its name."""
    places = routing_ids(record, CODES, record.provider.encode(), BEACON)
    return [
        Member(record.provider, place, record.share_ppm(leaf))
        for leaf, place in zip(record.published, places, strict=True)
    ]


@dataclass
class SmallWorld:
    """Every participant's table, and who is dead; `tamper` may change or swallow an answer."""

    listed: list[RetrievalRecord]
    trie: Trie
    digest: EpochDigest
    index: Index
    members: list[Member]
    dead: frozenset[NodeId] = frozenset()
    tamper: Tamper | None = None

    @classmethod
    def of(cls, listed: list[RetrievalRecord]) -> SmallWorld:
        index = Index()
        for record in listed:
            index.add(record)
        made = make_directory(listed, BOOK, CODES, key_of=lambda node: node.encode(), beacon=BEACON, epoch=1)
        members = [member for ids in made.members.values() for member in ids]
        return cls(listed, made.trie, made.digest, index, members)

    def table(self, member: Member) -> Table:
        draw = np.random.default_rng(int.from_bytes(member.place[:8], "big"))
        return table_of(self.trie, member, distance=lambda other: float(other.place[-1]), generator=draw)

    def reply(self, ask: Ask) -> Reply | None:
        if ask.to in self.dead:
            return None
        if isinstance(ask.question, Probe):
            return Alive(nonce=ask.question.nonce)
        assert isinstance(ask.question, Find)
        asked = next(m for m in self.members if m.place == ask.question.place)
        assert asked.node == ask.to
        reply = self.table(asked).answer(ask.question.target)
        return reply if self.tamper is None else self.tamper(ask, reply)

    def run(self, lookup: Lookup) -> tuple[int, int]:
        """Drive a lookup to its end; how many were asked, and how many answers were refused."""
        asked = refused = 0
        while asks := lookup.ask():
            asked += len(asks)
            assert asked < 5_000
            for ask in asks:
                reply = self.reply(ask)
                if reply is None:
                    lookup.silent(ask)
                    continue
                try:
                    lookup.heard(ask, reply)
                except ProtocolError:
                    refused += 1
        return asked, refused


def buckets(branch: Branch) -> Iterator[Branch]:
    """All buckets with members below a branch, by prefix."""
    for below in branch.branches or ():
        yield from buckets(below)
    if branch.branches is None and branch.size:
        yield branch
