"""The consortium's communities: which categories of data are near each other, who holds them, who is there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comitia.app.audit import Chronicle
from comitia.app.node.client import Client
from comitia.app.tasks import newest_codebook
from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.ledger.application import Application
from comitia.retrieval.communities import communities
from comitia.retrieval.index import Index
from comitia.retrieval.lookup import HybridLookup, Query
from comitia.storage.folder import node_folder
from comitia.storage.node import NodeStore
from comitia.text.codebook import Codebook

UNNAMED: Final = "(no name)"


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
    """

    prefix: str
    categories: tuple[str, ...]
    residents: tuple[Resident, ...]


def read_network(folder: Path) -> tuple[District, ...]:
    """The communities by a node's copy of the ledger; nobody is asked.

    Raises
    ------
    InputError
        If the node has no ledger or codebook yet.
    """
    application = Chronicle(folder).application
    wanted = newest_codebook(application)
    store = NodeStore(node_folder(folder).store)
    data = store.artefact(wanted)
    store.close()
    if data is None:
        raise InputError(
            f"the node has not got codebook {wanted.hex()[:12]} yet",
            code="no-codebook",
            hint="with --probe it fetches it from the super node",
        )
    return districts(application, Codebook.from_bytes(data), None)


def probe_network(folder: Path) -> tuple[District, ...]:
    """The communities, with who answers a probe now; connects as the node in `folder`. Errors as `Client`."""
    with Client(folder) as client:
        codebook = client.codebook()
        index = _index(client.application)
        alive: set[NodeId] = set()
        queries = [Query(codebook=codebook.digest, leaf=leaf) for leaf in range(len(codebook.leaves))]
        for lookup in client.look_up([HybridLookup(query, index, lambda: os.urandom(16)) for query in queries]):
            alive.update(lookup.answer)
        return districts(client.application, codebook, alive)


def districts(application: Application, codebook: Codebook, alive: set[NodeId] | None) -> tuple[District, ...]:
    """Communities of the providers whose profile is by a codebook; those without members are left out."""
    records = [record for record in application.profiles() if record.codebook == codebook.digest]
    members = [sum(leaf in record.published for record in records) for leaf in range(len(codebook.leaves))]
    found = []
    for community in communities([leaf.code for leaf in codebook.leaves], members):
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
                )
            )
    return tuple(found)


def _categories(codebook: Codebook, leaves: Sequence[int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codebook.leaves[leaf].label or UNNAMED for leaf in leaves))


def _index(application: Application) -> Index:
    index = Index()
    for record in application.profiles():
        index.add(record)
    return index


def _name(application: Application, node: NodeId) -> str:
    member = application.member(node)
    return member.name if member else node
