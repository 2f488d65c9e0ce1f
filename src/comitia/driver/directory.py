"""The directory of the overlay by this node's copy of the ledger, and this node's own tables in it.

Every node here follows the whole ledger, so it can compute the directory and need not join by asking. It lists the
profiles that stood when the epoch began, so that all nodes have the same for a whole epoch, at whatever block they
are. Only in a consortium's first epoch with profiles it follows each of them, since it would be empty (ADR 0055).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.driver.node import Node
from comitia.ledger.records import CodebookEntry
from comitia.retrieval.directory import Directory, make_directory, table_of
from comitia.retrieval.profile import RetrievalRecord
from comitia.retrieval.table import Table
from comitia.retrieval.trie import Prefix
from comitia.text.codebook import Codebook


class LedgerDirectory:
    """Directory and tables, computed anew when an epoch begins.

    Parameters
    ----------
    node : Node
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._generator = np.random.default_rng(list(node.draw(16)))
        self._standing: tuple[int, bytes, tuple[RetrievalRecord, ...]] | None = None
        self._codes: dict[bytes, tuple[Prefix, ...]] = {}
        self._beacons: dict[int, bytes] = {}
        self._tables: dict[bytes, Table] = {}

    def current(self) -> Directory:
        """The directory of the epoch of the newest block.

        Raises
        ------
        InputError
            Code ``no-codebook``, if there is none on the ledger, or this node has not got it yet.
        """
        application = self._node.application
        epoch = application.epoch
        records = application.profiles_before(epoch) or application.profiles()
        standing = (epoch, _newest(application.codebooks(), records), records)
        if standing != self._standing:
            _, codebook, _ = standing
            self._made = make_directory(
                records,
                codebook,
                self.codes(codebook),
                key_of=self._key_of,
                beacon=self._beacon(epoch),
                epoch=epoch,
            )
            self._standing = standing
            self._tables.clear()
        return self._made

    def own_table(self, place: bytes) -> Table | None:
        """This node's table under one of its ids; None if it is not its own in the current directory."""
        directory = self.current()
        for member in directory.members.get(self._node.node, ()):
            if member.place == place:
                if place not in self._tables:
                    self._tables[place] = table_of(
                        directory.trie, member, distance=lambda _: 0.0, generator=self._generator
                    )
                return self._tables[place]
        return None

    def codes(self, codebook: bytes) -> tuple[Prefix, ...]:
        """Codes of a codebook's leaves; errors as `current`."""
        if codebook not in self._codes:
            data = self._node.store.artefact(codebook)
            if data is None:
                raise InputError(f"codebook {codebook.hex()[:12]} is not here yet", code="no-codebook")
            self._codes = {codebook: tuple(leaf.code for leaf in Codebook.from_bytes(data).leaves)}
        return self._codes[codebook]

    def _key_of(self, node: NodeId) -> bytes:
        member = self._node.application.member(node)
        assert member is not None
        return member.keys_at(self._node.application.epoch).signing

    def _beacon(self, epoch: int) -> bytes:
        """Hash of the last block before an epoch, which nobody knew when keys of earlier epochs were made."""
        if epoch not in self._beacons:
            engine = self._node.engine
            earlier = (engine.block(height).header for height in range(engine.height, 0, -1))
            last = next((header.digest for header in earlier if header.epoch < epoch), self._node.genesis.digest)
            self._beacons = {epoch: last}
        return self._beacons[epoch]


def _newest(codebooks: Sequence[CodebookEntry], records: Sequence[RetrievalRecord]) -> bytes:
    """Digest of the newest codebook that a record counts in; of the newest of all where there are no records."""
    if not codebooks:
        raise InputError("no codebook is on the ledger", code="no-codebook")
    used = {record.codebook for record in records}
    return next((entry.digest for entry in reversed(codebooks) if entry.digest in used), codebooks[-1].digest)
