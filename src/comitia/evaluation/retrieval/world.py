"""A made-up epoch of up to a million participants, in which lookups are run by their own step functions.

Only what a lookup touches is made: a participant's table follows from the trie and its number, so that no million
tables need be held. Participants may be dead (silent), or malicious: they hand over cut-down buckets and name only each
other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.core.codec import encode
from comitia.core.errors import ProtocolError
from comitia.evaluation.retrieval.published import Profiles
from comitia.retrieval.directory import table_of
from comitia.retrieval.lookup import Alive, Ask, Probe, Reply
from comitia.retrieval.routing_id import id_suffix, place
from comitia.retrieval.table import CONTACTS, Find, Found, Table
from comitia.retrieval.trie import MEMBER_BYTES, Bucket, EpochDigest, Member, Trie, shared_bits, unpack

CODEBOOK = bytes(32)

_TABLES_KEPT = 20_000


@dataclass(slots=True)
class Traffic:
    """What a lookup cost: questions and answers sent, rounds of them, bytes, and questions by participant."""

    messages: int = 0
    rounds: int = 0
    bytes: int = 0
    forged: int = 0
    asked: list[int] = field(default_factory=list)


class Network(Protocol):
    """Participants that answer questions."""

    def reply(self, ask: Ask) -> Reply | None:
        """What a participant answers; None for silence."""


class Walk(Protocol):
    """What asks its way through a network: a lookup, or a newcomer that joins."""

    def ask(self) -> tuple[Ask, ...]: ...

    def heard(self, ask: Ask, reply: Reply) -> None: ...

    def silent(self, ask: Ask) -> None: ...


def perform(walk: Walk, network: Network, *, size: bool = False) -> Traffic:
    """Drive a walk to its end; `size` counts bytes too."""
    traffic = Traffic()
    while asks := walk.ask():
        traffic.rounds += 1
        for ask in asks:
            traffic.messages += 1
            traffic.bytes += len(encode(ask.question)) if size else 0
            reply = network.reply(ask)
            if reply is None:
                walk.silent(ask)
                continue
            traffic.messages += 1
            traffic.bytes += len(encode(reply)) if size else 0
            traffic.asked.append(int(ask.to, 16))
            try:
                walk.heard(ask, reply)
            except ProtocolError:
                traffic.forged += 1
    return traffic


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fates:
    """What participants are like, bool arrays (n,).

    alive : who answers.
    malicious : who answers with lies; alive.
    noticed : the dead whose contacts have noticed, and have put others in their place.
    """

    alive: NDArray[np.bool_]
    malicious: NDArray[np.bool_]
    noticed: NDArray[np.bool_]


def draw_fates(participants: int, dead: float, malicious: float, generator: np.random.Generator) -> Fates:
    """Shares of all participants that are dead, which nobody has noticed, and malicious."""
    fate = generator.random(participants)
    return Fates(
        alive=fate >= dead,
        malicious=(fate >= dead) & (fate < dead + malicious),
        noticed=np.zeros(participants, dtype=np.bool_),
    )


class World:
    """An epoch and the participants in it.

    Parameters
    ----------
    profiles : Profiles
        What each participant publishes.
    codes : tuple of str
        Codes of the leaves.
    fates : Fates
    generator : numpy Generator
    """

    def __init__(
        self, profiles: Profiles, codes: tuple[str, ...], fates: Fates, generator: np.random.Generator
    ) -> None:
        self.profiles = profiles
        self.codes = codes
        self.fates = fates
        self.position = generator.random((profiles.participants, 2)).astype(np.float32)
        self._seed = int(generator.integers(1 << 62))
        self.trie = Trie(_rows(profiles, codes, generator.bytes(32)))
        self.owner = profiles.owner[self.trie.order]
        self.digest = EpochDigest(
            epoch=1, codebook=CODEBOOK, root=self.trie.root.hash, counts=profiles.counts(len(codes))
        )
        self.table = lru_cache(maxsize=_TABLES_KEPT)(self._table)
        self._rows_by_owner = np.argsort(self.owner, kind="stable")
        self._first_row = np.searchsorted(self.owner[self._rows_by_owner], np.arange(profiles.participants + 1))

    def rows_of(self, participant: int) -> NDArray[np.int64]:
        """Rows of a participant's ids."""
        return self._rows_by_owner[self._first_row[participant] : self._first_row[participant + 1]]

    def reply(self, ask: Ask) -> Reply | None:
        """What a participant answers; None for silence."""
        participant = int(ask.to, 16)
        if not self.fates.alive[participant]:
            return None
        if isinstance(ask.question, Probe):
            return Alive(nonce=ask.question.nonce)
        row = self.trie.row_of(ask.question.place)
        if row is None or self.owner[row] != participant:
            return None
        table = self.table(row)
        if self.fates.malicious[participant]:
            return self._lie(table, ask.question)
        return table.answer(ask.question.target)

    def _lie(self, table: Table, question: Find) -> Found:
        """A bucket cut short where one is due, else only accomplices on the way."""
        truth = table.answer(question.target)
        if truth.bucket is not None:
            short = Bucket(
                prefix=truth.bucket.prefix,
                members=truth.bucket.members[:-MEMBER_BYTES],
                siblings=truth.bucket.siblings,
            )
            return Found(bucket=short, contacts=b"")
        shared = shared_bits(table.path, question.target)
        *_, (branch, _) = self.trie.descend(question.target[: shared + 1])
        some = np.arange(branch.start, min(branch.end, branch.start + 256))
        accomplices = some[self.fates.malicious[self.owner[some]]][:CONTACTS]
        return Found(bucket=None, contacts=self.trie.rows[accomplices].tobytes())

    def _table(self, row: int) -> Table:
        """The table of the participant with id number `row`, after it joined and filled every level."""
        (member,) = unpack(self.trie.packed(row, row + 1))
        here = self.position[self.owner[row]]

        def distance(other: Member) -> float:
            participant = int(other.node, 16)
            return inf if self.fates.noticed[participant] else float(np.square(self.position[participant] - here).sum())

        return table_of(self.trie, member, distance=distance, generator=np.random.default_rng((self._seed, row)))


def _rows(profiles: Profiles, codes: tuple[str, ...], beacon: bytes) -> NDArray[np.uint8]:
    """Packed members of all that is published, in the profiles' order."""
    suffixes = [id_suffix(number.to_bytes(32, "big"), beacon) for number in range(profiles.participants)]
    packed = bytearray()
    for owner, leaf, band, share in zip(
        profiles.owner.tolist(),
        profiles.leaf.tolist(),
        profiles.band.tolist(),
        profiles.share_ppm.tolist(),
        strict=True,
    ):
        packed += place(codes[leaf], band, suffixes[owner]) + owner.to_bytes(16, "big") + share.to_bytes(4, "big")
    return np.frombuffer(bytes(packed), dtype=np.uint8).reshape(-1, MEMBER_BYTES)
