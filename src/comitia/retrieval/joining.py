"""Joining the overlay under one id: find the own bucket, then contacts for every level.

Nobody needs to be told: the epoch's directory names the newcomer, and whoever fetches the bucket learns of it. Nothing
that is learnt on the way is believed: the bucket is checked against the epoch's root, and contacts are only kept from
where they are needed. Cf. III.C step 1, where super nodes search the records that are close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.retrieval.lookup import Ask, Reply
from comitia.retrieval.table import CANDIDATES, Find, Found, Table, nearest, require_nearer
from comitia.retrieval.trie import EMPTY, Bucket, Member, Prefix, require_bucket, shared_bits

ATTEMPTS: Final = 4
"""Contacts asked for one level before it is left as it is."""


class Joining:
    """A newcomer's way to its table under one id. Driven as a lookup is: `ask`, then `heard` or `silent` for each.

    Parameters
    ----------
    path : str
        All bits of the id.
    root : bytes
        Of the epoch's trie.
    contacts : iterable of Member
        Who the newcomer's super node named.
    distance : callable
        How far away a member is, physically: a round trip's time, or metres.
    generator : numpy Generator
        Draws the candidates of each level.
    """

    def __init__(
        self,
        path: Prefix,
        root: bytes,
        contacts: Iterable[Member],
        *,
        distance: Callable[[Member], float],
        generator: np.random.Generator,
    ) -> None:
        self._path = path
        self._root = root
        self._distance = distance
        self._generator = generator
        self._known = {member.place: member for member in contacts}
        self._asked: set[bytes] = set()
        self._silent: set[NodeId] = set()
        self._bucket: Bucket | None = None
        self._attempts: dict[int, int] = {}
        self._settled: set[int] = set()

    def ask(self) -> tuple[Ask, ...]:
        if self._bucket is None:
            return self._towards_bucket()
        levels = [level for level in range(len(self._bucket.prefix)) if self._lacking(level)]
        return tuple(ask for level in levels if (ask := self._ask_level(level)) is not None)

    def heard(self, ask: Ask, reply: Reply) -> None:
        """Take in an answer; ProtocolError for one that is forged or leads away, which counts as silence."""
        question = ask.question
        assert isinstance(question, Find)
        try:
            if not isinstance(reply, Found):
                raise ProtocolError(f"{ask.to} answers something else", code="out-of-place", sender=ask.to)
            members = () if reply.bucket is None else require_bucket(reply.bucket, self._root)
            named = require_nearer(question, reply.contacts, ask.to)
        except ProtocolError:
            self.silent(ask)
            raise
        if reply.bucket is not None and self._path.startswith(reply.bucket.prefix):
            self._bucket = reply.bucket
        self._known |= {member.place: member for member in (*members, *named)}
        if self._bucket is not None and self._path.startswith(question.target[:-1]):
            self._settled.add(len(question.target) - 1)

    def silent(self, ask: Ask) -> None:
        self._silent.add(ask.to)

    @property
    def table(self) -> Table | None:
        """The finished table; None while the own bucket is not found."""
        if self._bucket is None:
            return None
        levels = (self._nearest(level) for level in range(len(self._bucket.prefix)))
        return Table(
            path=self._path,
            bucket=self._bucket,
            levels=tuple(b"".join(member.to_bytes() for member in level) for level in levels),
        )

    def _towards_bucket(self) -> tuple[Ask, ...]:
        open_ = [m for m in self._known.values() if m.place not in self._asked and m.node not in self._silent]
        if not open_:
            return ()
        return (self._put(max(open_, key=lambda member: shared_bits(member.path, self._path)), self._path),)

    def _lacking(self, level: int) -> bool:
        """Whether a level can have contacts, and nobody in it has named more yet."""
        assert self._bucket is not None
        if level in self._settled or self._bucket.siblings[level] == EMPTY:
            return False
        return self._attempts.get(level, 0) < ATTEMPTS

    def _ask_level(self, level: int) -> Ask | None:
        """Ask somebody on the other side of a bit for whom it knows there; else somebody on this side for a way."""
        target = self._path[:level] + ("0" if self._path[level] == "1" else "1")
        there = [member for member in self._at(level) if member.place not in self._asked]
        if not there:
            deeper = [m for m in self._known.values() if m.path.startswith(self._path[: level + 1])]
            there = [m for m in deeper if m.place not in self._asked and m.node not in self._silent]
        self._attempts[level] = self._attempts.get(level, 0) + 1
        return self._put(there[int(self._generator.integers(len(there)))], target) if there else None

    def _nearest(self, level: int) -> tuple[Member, ...]:
        there = self._at(level)
        if len(there) > CANDIDATES:
            there = [there[i] for i in self._generator.choice(len(there), CANDIDATES, replace=False)]
        return nearest(there, self._distance)

    def _at(self, level: int) -> list[Member]:
        return [
            m for m in self._known.values() if shared_bits(m.path, self._path) == level and m.node not in self._silent
        ]

    def _put(self, member: Member, target: Prefix) -> Ask:
        self._asked.add(member.place)
        return Ask(to=member.node, question=Find(place=member.place, target=target))
