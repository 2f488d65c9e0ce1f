"""The index: from a leaf to the providers that are found under it.

Every super node keeps one, and the application uses it to draw a committee, so it is a pure function of the
profiles on the ledger, whatever the order in which they came.

Source: Fig. 5
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from comitia.core.ids import NodeId
from comitia.retrieval.profile import RetrievalRecord

Entry = tuple[int, int, NodeId]
"""Band, minus the share in millionths, provider: the best first when sorted."""


@dataclass(slots=True)
class Index:
    """Providers by codebook and published leaf, the best fitting first.

    Attributes
    ----------
    entries : dict
        (codebook digest, leaf) -> sorted entries.
    records : dict
        The record of each provider that is in the index.
    """

    entries: dict[tuple[bytes, int], list[Entry]] = field(default_factory=dict)
    records: dict[NodeId, RetrievalRecord] = field(default_factory=dict)

    def copy(self) -> Index:
        """The same entries in an index of its own."""
        entries = {place: list(listed) for place, listed in self.entries.items()}
        return Index(entries=entries, records=dict(self.records))

    def add(self, record: RetrievalRecord) -> None:
        """Put a provider in, in place of an earlier record of it."""
        self.remove(record.provider)
        self.records[record.provider] = record
        for leaf in record.published:
            insort(self.entries.setdefault((record.codebook, leaf), []), _entry(record, leaf))

    def remove(self, provider: NodeId) -> None:
        """Take a provider out; nothing happens if it is not in."""
        record = self.records.pop(provider, None)
        if record is None:
            return
        for leaf in record.published:
            listed = self.entries[record.codebook, leaf]
            del listed[bisect_left(listed, _entry(record, leaf))]

    def lookup(self, codebook: bytes, leaf: int, most: int | None) -> tuple[NodeId, ...]:
        """At most `most` providers found under a leaf (None: all of them), the best fitting first."""
        return tuple(provider for _, _, provider in self.entries.get((codebook, leaf), ())[:most])

    def rank(self, codebook: bytes, leaves: Iterable[int]) -> tuple[NodeId, ...]:
        """Providers found under any of the leaves, by their share of documents in all of them together.

        No leaf asks for every provider with this codebook, by the number of documents that stand out.
        """
        wanted = tuple(leaves)
        if not wanted:
            fitting = [record for record in self.records.values() if record.codebook == codebook]
            return tuple(r.provider for r in sorted(fitting, key=lambda r: (-r.total, r.provider)))
        found = {provider for leaf in wanted for _, _, provider in self.entries.get((codebook, leaf), ())}
        shares = {node: sum(self.records[node].share_ppm(leaf) for leaf in wanted) for node in found}
        return tuple(sorted(found, key=lambda node: (-shares[node], node)))


def _entry(record: RetrievalRecord, leaf: int) -> Entry:
    return record.band(leaf), -record.share_ppm(leaf), record.provider
