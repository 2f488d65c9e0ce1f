"""The epoch's directory as it follows from the ledger: its trie, its digest, and each participant's table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from comitia.core.ids import NodeId
from comitia.retrieval.profile import BANDS_PPM, RetrievalRecord
from comitia.retrieval.routing_id import routing_ids
from comitia.retrieval.table import CANDIDATES, Table, nearest
from comitia.retrieval.trie import EpochDigest, Member, Prefix, Trie, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Who is where.

    trie : all members under their ids.
    digest : what a light node needs to know of it.
    members : ids of each provider.
    """

    trie: Trie
    digest: EpochDigest
    members: dict[NodeId, tuple[Member, ...]]


def make_directory(
    records: Iterable[RetrievalRecord],
    codebook: bytes,
    codes: tuple[Prefix, ...],
    *,
    key_of: Callable[[NodeId], bytes],
    beacon: bytes,
    epoch: int,
) -> Directory:
    """The directory of the records of one codebook; the same for everyone with the same ledger.

    Parameters
    ----------
    records : iterable of RetrievalRecord
        Those of other codebooks are left out.
    codebook, codes
        Digest of the codebook, and the codes of its leaves.
    key_of : callable
        A provider's public signing key as the ledger has it.
    beacon : bytes
        Of the epoch.
    """
    members: dict[NodeId, tuple[Member, ...]] = {}
    counts = [[0] * (len(BANDS_PPM) + 1) for _ in codes]
    for record in records:
        if record.codebook != codebook or len(record.histogram) != len(codes):
            continue
        places = routing_ids(record, codes, key_of(record.provider), beacon)
        members[record.provider] = tuple(
            Member(record.provider, place, record.share_ppm(leaf))
            for leaf, place in zip(record.published, places, strict=True)
        )
        for leaf in record.published:
            counts[leaf][record.band(leaf)] += 1
    trie = Trie.of(member for ids in members.values() for member in ids)
    digest = EpochDigest(
        epoch=epoch,
        codebook=codebook,
        root=trie.root.hash,
        counts=tuple((a, b, c, d) for a, b, c, d in counts),
    )
    return Directory(trie=trie, digest=digest, members=members)


def table_of(
    trie: Trie, member: Member, *, distance: Callable[[Member], float], generator: np.random.Generator
) -> Table:
    """The table of a participant that has the whole directory; `Joining` makes one without.

    Parameters
    ----------
    distance : callable
        How far away another is, physically; infinitely far, who is known not to be there.
    generator : numpy Generator
        Draws the candidates of each level.
    """
    levels = []
    for _, sibling in trie.descend(member.path):
        if sibling is None:
            continue
        count = min(CANDIDATES, sibling.size)
        rows = sibling.start + generator.choice(sibling.size, count, replace=False)
        candidates = tuple(unpack(trie.rows[rows].tobytes()))
        levels.append(b"".join(m.to_bytes() for m in nearest(candidates, distance)))
    return Table(path=member.path, bucket=trie.bucket(member.path), levels=tuple(levels))
