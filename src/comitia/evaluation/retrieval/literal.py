"""A world in which participants are looked up by the paper's own tables, for comparison.

Ids are the signs of a participant's mean vector along random directions, the most favourable reading of "generate its
ID based on the hashed vectors to ensure that participants holding similar datasets have similar IDs": a plain hash
would share nothing.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from comitia.retrieval.literal import LiteralLookup, LiteralTable, record_counts
from comitia.retrieval.lookup import Ask, Reply
from comitia.retrieval.trie import MEMBER_BYTES, Bucket, Prefix, unpack

ID_SIGNS = 64

Vectors = NDArray[np.float32]


class LiteralWorld:
    """Participants, their ids and communities.

    Parameters
    ----------
    directions : float32 array (n, d)
        Mean vector of each participant's documents.
    prototypes : float32 array (L, d)
        Mean vector of each leaf's documents: what a request for it looks like.
    alive : bool array (n,)
    generator : numpy Generator
    """

    def __init__(
        self, directions: Vectors, prototypes: Vectors, alive: NDArray[np.bool_], generator: np.random.Generator
    ) -> None:
        self.alive = alive
        planes = generator.normal(size=(directions.shape[1], ID_SIGNS)).astype(np.float32)
        centre = directions.mean(axis=0)
        signs = (directions - centre) @ planes > 0
        self._targets = (prototypes - centre) @ planes > 0
        order = np.lexsort(np.packbits(signs, axis=1).T[::-1])
        self._row = np.argsort(order)
        self._signs = signs[order]
        self._packed = _packed(self._signs, order)
        self._bits = max(1, ceil(log2(len(prototypes))))
        codes = self._signs[:, : self._bits] @ (1 << np.arange(self._bits)[::-1])
        self._communities, starts = np.unique(codes, return_index=True)
        self._starts = np.append(starts, len(order))
        self._community_of = np.searchsorted(self._communities, codes)
        self._seed = int(generator.integers(1 << 62))
        self._bucket = lru_cache(maxsize=None)(self._make_bucket)

    def lookup(self, requester: int, leaf: int, most: int | None) -> LiteralLookup:
        """A lookup whose certain distance is that of a community."""
        target = "".join("1" if bit else "0" for bit in self._targets[leaf])
        community = self._bucket(int(self._community_of[self._row[requester]]))
        return LiteralLookup(target, self._bits, unpack(community.members), most)

    def reply(self, ask: Ask) -> Reply | None:
        """What a participant answers; None for silence."""
        participant = int(ask.to, 16)
        if not self.alive[participant]:
            return None
        return self.table(participant).answer("")

    def table(self, participant: int) -> LiteralTable:
        """A participant's table: its community, and some nodes of the nearest others."""
        row = int(self._row[participant])
        own = int(self._community_of[row])
        communities, each = record_counts(len(self.alive))
        nearest = np.argsort(self._communities ^ self._communities[own], kind="stable")[1 : communities + 1]
        draw = np.random.default_rng((self._seed, row))
        rows = [draw.integers(self._starts[c], self._starts[c + 1], each) for c in nearest]
        others = self._packed[np.concatenate(rows)].tobytes() if rows else b""
        return LiteralTable(path=_path(self._signs[row]), community=self._bucket(own), others=others)

    def table_entries(self) -> NDArray[np.int64]:
        """How many others each participant's table names."""
        communities, each = record_counts(len(self.alive))
        sizes = np.diff(self._starts)
        named = min(communities, len(sizes) - 1) * each
        return np.asarray(sizes[self._community_of] - 1 + named, dtype=np.int64)

    def _make_bucket(self, community: int) -> Bucket:
        start, end = int(self._starts[community]), int(self._starts[community + 1])
        prefix = format(int(self._communities[community]), f"0{self._bits}b")
        return Bucket(prefix=prefix, members=self._packed[start:end].tobytes(), siblings=())


def _path(signs: NDArray[np.bool_]) -> Prefix:
    return "".join("1" if bit else "0" for bit in signs)


def _packed(signs: NDArray[np.bool_], order: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Members as they travel; ids are made different by the participant's number behind the signs."""
    rows = np.zeros((len(signs), MEMBER_BYTES), dtype=np.uint8)
    rows[:, : ID_SIGNS // 8] = np.packbits(signs, axis=1)
    numbers = order.astype(">u8").view(np.uint8).reshape(-1, 8)
    rows[:, 24:32] = numbers
    rows[:, 40:48] = numbers
    return rows
