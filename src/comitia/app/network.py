"""The consortium's communities: which categories of data are near each other, who holds them, who is there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from comitia.app.audit import Chronicle
from comitia.app.codebooks import held_codebook
from comitia.app.node.client import Client
from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.driver.directory import LedgerDirectory
from comitia.driver.neighbour import NONCE_BYTES
from comitia.ledger.application import Application
from comitia.retrieval.communities import Change, Community, changes, communities
from comitia.retrieval.index import Index
from comitia.retrieval.lookup import HybridLookup, IndexLookup, Lookup, Query
from comitia.retrieval.overlay import OverlayLookup
from comitia.retrieval.profile import RetrievalRecord
from comitia.storage.folder import node_folder
from comitia.storage.node import NodeStore
from comitia.text.codebook import Codebook

UNNAMED: Final = "(no name)"
FIRST_CONTACTS: Final = 8
"""Participants that a lookup in the overlay starts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A provider in a community: its share of documents there, and whether it answered; None if it was not asked."""

    node: NodeId
    name: str
    share: float
    alive: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """A community as people see it.

    prefix : what its leaves' codes begin with.
    categories : labels of its leaves.
    residents : the best fitting first.
    change : what became of it since the epoch began; None for nothing.
    """

    prefix: str
    categories: tuple[str, ...]
    residents: tuple[Resident, ...]
    change: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Who was found, the best fitting first, and whether that is everyone who was looked for."""

    names: tuple[str, ...]
    nodes: tuple[NodeId, ...]
    complete: bool


def read_network(folder: Path) -> tuple[District, ...]:
    """The communities by a node's copy of the ledger; nobody is asked.

    Raises
    ------
    InputError
        If the node has no ledger or codebook yet.
    """
    application = Chronicle(folder).application
    store = NodeStore(node_folder(folder).store)
    try:
        return districts(application, held_codebook(application, store), None)
    finally:
        store.close()


def probe_network(folder: Path) -> tuple[District, ...]:
    """The communities, with who answers a probe now; connects as the node in `folder`. Errors as `Client`."""
    with Client(folder) as client:
        codebook = client.codebook()
        index = index_of(client.application)
        queries = [Query(codebook=codebook.digest, leaf=leaf) for leaf in range(len(codebook.leaves))]
        asked = client.look_up(lambda _: [HybridLookup(query, index, _nonce) for query in queries])
        alive = {node for lookup in asked for node in lookup.answer}
        return districts(client.application, codebook, alive)


def find_providers(folder: Path, category: str, way: str, most: int | None) -> Findings:
    """Look the providers of a category up, as the node in `folder`.

    Parameters
    ----------
    way : str
        ``index``, ``hybrid`` or ``overlay``.
    most : int or None
        How many are enough.

    Raises
    ------
    InputError
        If the codebook has no such category; others as `Client`.
    """
    with Client(folder) as client:
        codebook = client.codebook()
        leaves = [number for number, leaf in enumerate(codebook.leaves) if leaf.label == category]
        if not leaves:
            raise InputError(
                f"the codebook has no leaf of category {category!r}",
                code="unknown-category",
                hint=f"it has: {', '.join(sorted({leaf.label for leaf in codebook.leaves} - {''}))}",
                category=category,
            )
        index = index_of(client.application)

        def make(directory: LedgerDirectory) -> list[Lookup]:
            queries = [Query(codebook=codebook.digest, leaf=leaf, most=most) for leaf in leaves]
            return [make_lookup(query, way, index, directory) for query in queries]

        asked = client.look_up(make)
        nodes = tuple(dict.fromkeys(node for lookup in asked for node in lookup.answer))
        return Findings(
            names=tuple(_name(client.application, node) for node in nodes),
            nodes=nodes,
            complete=all(lookup.complete for lookup in asked),
        )


def make_lookup(query: Query, way: str, index: Index, directory: LedgerDirectory) -> Lookup:
    """A lookup by `index`, `hybrid` or else `overlay`; errors as `LedgerDirectory.current`."""
    match way:
        case "index":
            return IndexLookup(query, index)
        case "hybrid":
            return HybridLookup(query, index, _nonce)
    current = directory.current()
    generator = np.random.default_rng()
    everyone = [member for ids in current.members.values() for member in ids]
    some = generator.permutation(len(everyone))[:FIRST_CONTACTS].tolist()
    code = directory.codes(query.codebook)[query.leaf]
    return OverlayLookup(query, current.digest, code, [everyone[i] for i in some], generator)


def _nonce() -> bytes:
    return os.urandom(NONCE_BYTES)


def districts(application: Application, codebook: Codebook, alive: set[NodeId] | None) -> tuple[District, ...]:
    """Communities of the providers whose profile is by a codebook; those without members are left out."""
    records = [record for record in application.profiles() if record.codebook == codebook.digest]
    now = _communities(codebook, records)
    before = _communities(codebook, application.profiles_before(application.epoch))
    changed = {community.prefix: change for change, community in changes(before, now)}
    found = []
    for community in now:
        here = [r for r in records if set(r.published) & set(community.leaves)]
        shares = {r.provider: sum(r.share_ppm(leaf) for leaf in community.leaves) / 1e6 for r in here}
        residents = (
            Resident(
                node=node, name=_name(application, node), share=share, alive=None if alive is None else node in alive
            )
            for node, share in sorted(shares.items(), key=lambda item: (-item[1], item[0]))
        )
        if here:
            found.append(
                District(
                    prefix=community.prefix,
                    categories=_categories(codebook, community.leaves),
                    residents=tuple(residents),
                    change=changed.get(community.prefix),
                )
            )
    return tuple(found)


def _communities(codebook: Codebook, records: Iterable[RetrievalRecord]) -> tuple[Community, ...]:
    """The communities of those of some records that count in a codebook."""
    published = Counter(leaf for r in records if r.codebook == codebook.digest for leaf in r.published)
    return communities([leaf.code for leaf in codebook.leaves], [published[i] for i in range(len(codebook.leaves))])


def _categories(codebook: Codebook, leaves: Sequence[int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codebook.leaves[leaf].label or UNNAMED for leaf in leaves))


def index_of(application: Application) -> Index:
    """The index of a ledger's records."""
    index = Index()
    for record in application.profiles():
        index.add(record)
    return index


def _name(application: Application, node: NodeId) -> str:
    member = application.member(node)
    return member.name if member else node
