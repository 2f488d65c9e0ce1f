"""Retrieval as the paper writes it down, for comparison: ids alike because data are, communities, flooding.

A node's table has all members of its community, and log(log(n)) nodes of each of the log(n) nearest other communities.
A request starts at all members of the requester's community and goes on to all nodes within a certain distance. Ids
that are hashed from the data itself share short prefixes even where the data are related, so most related nodes lie
outside any distance that can be afforded (ADR on the paper's contradiction 5).

Source: III.B, "Each community maintains a local retrieval table of log(n) records"
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log2

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.lookup import Ask, Reply
from comitia.retrieval.routing_id import ID_BITS
from comitia.retrieval.table import Find, Found
from comitia.retrieval.trie import Bucket, Member, Prefix, shared_bits, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteralTable:
    """What a node knows.

    path : all bits of its id.
    community : all members of its community.
    others : packed, a few nodes of each of the nearest communities.
    """

    path: Prefix
    community: Bucket
    others: bytes

    def answer(self, target: Prefix) -> Found:
        """Its community, and whom it knows elsewhere."""
        return Found(bucket=self.community, contacts=self.others)


def record_counts(participants: int) -> tuple[int, int]:
    """How many communities a table names, and how many nodes of each: log(n) and log(log(n)), at least one."""
    communities = max(1, ceil(log2(max(2, participants))))
    return communities, max(1, ceil(log2(communities)))


class LiteralLookup:
    """A flood over everyone within a distance of the target.

    Parameters
    ----------
    target : str
        Bits of the id that the data asked for would have.
    reach : int
        A node is within the relevant distance if its id shares so many leading bits with the target.
    community : iterable of Member
        The requester's.
    most : int or None
    """

    def __init__(self, target: Prefix, reach: int, community: Iterable[Member], most: int | None = None) -> None:
        self._target = target
        self._reach = reach
        self._most = most
        self._known = {member.place: member for member in community}
        self._waiting = list(self._known.values())
        self._communities: set[Prefix] = set()

    def ask(self) -> tuple[Ask, ...]:
        now, self._waiting = self._waiting, []
        return tuple(Ask(to=m.node, question=Find(place=m.place, target=self._target)) for m in now)

    def heard(self, ask: Ask, reply: Reply) -> None:
        if not isinstance(reply, Found):
            raise ProtocolError(f"{ask.to} answers something else", code="out-of-place", sender=ask.to)
        assert isinstance(ask.question, Find)
        sender = format(int.from_bytes(ask.question.place, "big"), f"0{ID_BITS}b")
        reached = min(self._reach, shared_bits(sender, self._target) + 1)
        if reply.bucket is not None and reply.bucket.prefix not in self._communities:
            self._communities.add(reply.bucket.prefix)
            self._learn(unpack(reply.bucket.members), reached)
        self._learn(unpack(reply.contacts), reached)

    def silent(self, ask: Ask) -> None:
        pass

    def _learn(self, members: Iterable[Member], reached: int) -> None:
        """Pass the request on to those within the distance, or nearer to it than who named them."""
        for member in members:
            if member.place not in self._known:
                self._known[member.place] = member
                if member.path.startswith(self._target[:reached]):
                    self._waiting.append(member)

    @property
    def answer(self) -> tuple[NodeId, ...]:
        distance = self._target[: self._reach]
        within = [member for member in self._known.values() if member.path.startswith(distance)]
        within.sort(key=lambda member: (-shared_bits(member.path, self._target), member.node))
        return tuple(member.node for member in within)[: self._most]

    @property
    def complete(self) -> bool:
        """Whether the flood has ended: nothing tells whether it reached everyone."""
        return not self._waiting
