"""The documents that a witness agrees to show, one set a session: made into vectors, and what is left of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.app.audit import Chronicle
from comitia.app.codebooks import held_codebook
from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.driver.keeper import keep_set, kept_sets, opened_by
from comitia.learning.kept_back import KeptBack, kept_back_bytes, parse_kept_back
from comitia.ledger.application import Application
from comitia.ledger.genesis import Role
from comitia.ledger.transactions import MAX_SETS
from comitia.roles.messages import References
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore
from comitia.text.codebook import Codebook
from comitia.text.documents import Document
from comitia.text.target import classes_of

NONCE_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What `keep` has put by.

    sets, documents : how many sets, and documents in all of them together.
    categories : of which there are documents in each set.
    left_out : known categories with too few documents for a set.
    unknown : labels that the codebook does not know; their documents are left out.
    """

    sets: int
    documents: int
    categories: tuple[str, ...]
    left_out: tuple[str, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """A witness' sets for one codebook: kept in its store, bound on the ledger, and not used yet."""

    codebook: bytes
    kept: int
    bound: int
    left: int


def keep(folder: NodeFolder, documents: Sequence[Document], *, each: int) -> Kept:
    """Share documents out into sets with `each` of a category, as many as all categories that can fill one can fill.

    Documents that are public already, as references of the codebook or in a set made before, are left out.

    Raises
    ------
    InputError
        `not-a-witness`; `no-codebook`; `no-known-label`: no document has a category of the codebook;
        `too-few-references`: no category has `each` documents, or there would be more sets than a witness may bind.
    """
    node = folder.load_keys().node
    application = Chronicle(folder.path).application
    _require_witness(application, node)
    store = NodeStore(folder.store)
    try:
        codebook = held_codebook(application, store)
        fresh, unknown = _fresh(codebook, documents, _public(store, codebook))
        sets, kept = _shared_out(codebook, fresh, each)
        if len(kept_sets(store).places) + len(sets) > MAX_SETS:
            raise InputError(f"a witness keeps at most {MAX_SETS} sets", code="too-many-references")
        with store.transaction():
            for one in sets:
                nonce, data = os.urandom(NONCE_BYTES), kept_back_bytes(codebook, one)
                opened = References(keeper=node, nonce=nonce, documents=data)
                keep_set(store, application.genesis.chain, codebook.digest, opened)
    finally:
        store.close()
    return replace(kept, unknown=unknown)


def stocks(folder: NodeFolder) -> tuple[Stock, ...]:
    """What a witness has, for each codebook on the ledger, the newest last."""
    node = folder.load_keys().node
    application = Chronicle(folder.path).application
    _require_witness(application, node)
    store = NodeStore(folder.store)
    try:
        places = kept_sets(store).places
    finally:
        store.close()
    found = []
    for codebook in (entry.digest for entry in application.codebooks()):
        shelf = application.shelf(codebook, node)
        kept = sum(place.codebook == codebook for place in places)
        found.append(Stock(codebook=codebook, kept=kept, bound=len(shelf.commitments), left=shelf.left))
    return tuple(found)


def _require_witness(application: Application, node: NodeId) -> None:
    member = application.member(node)
    if member is None or not member.has(Role.WITNESS):
        raise InputError(
            "only a witness keeps references back, and this node is none",
            code="not-a-witness",
            hint="use the super node's folder, or join a node of its own with --role witness",
        )


def _public(store: NodeStore, codebook: Codebook) -> set[bytes]:
    """Vectors of the documents that everybody has seen, or will."""
    rows = [codebook.references]
    for place in kept_sets(store).places:
        opened = opened_by(store, place.commitment) if place.codebook == codebook.digest else None
        if opened is not None:
            rows.append(parse_kept_back(opened.documents, codebook).vectors)
    return {row.astype(np.int32).tobytes() for some in rows for row in some}


def _fresh(codebook: Codebook, documents: Sequence[Document], public: set[bytes]) -> tuple[KeptBack, tuple[str, ...]]:
    """The documents with a known category that are not public yet, each once; and the labels that are not known."""
    labels = classes_of(codebook, [document.label for document in documents]).labels
    if not (labels >= 0).any():
        raise InputError(
            f"none of {len(documents)} documents has a label that the codebook knows",
            code="no-known-label",
            hint=f"it knows: {', '.join(codebook.labels[:20])}; check --label-column",
        )
    vectors = codebook.vectorize([document.text for document in documents])
    rows: dict[bytes, int] = {}
    for number in np.flatnonzero(labels >= 0).tolist():
        rows.setdefault(vectors[number].tobytes(), number)
    chosen = [number for data, number in rows.items() if data not in public]
    strange = {documents[number].label or "" for number in np.flatnonzero(labels < 0).tolist()} - {""}
    return KeptBack(vectors=vectors[chosen], labels=labels[chosen]), tuple(sorted(strange))


def _shared_out(codebook: Codebook, fresh: KeptBack, each: int) -> tuple[list[KeptBack], Kept]:
    generator = np.random.default_rng()
    rows: list[NDArray[np.int64]] = []
    left_out = []
    for number, label in enumerate(codebook.labels):
        mine = generator.permutation(np.flatnonzero(fresh.labels == number))
        if len(mine) >= each:
            rows.append(mine)
        else:
            left_out.append(label)
    if not rows:
        raise InputError(
            f"no category has {each} documents that are not public yet",
            code="too-few-references",
            hint="give more documents, or keep fewer of each category in a set (--each)",
        )
    count = min(len(mine) // each for mine in rows)
    sets = []
    for number in range(count):
        chosen = np.concatenate([mine[number * each : (number + 1) * each] for mine in rows])
        sets.append(KeptBack(vectors=fresh.vectors[chosen], labels=fresh.labels[chosen]))
    categories = tuple(label for label in codebook.labels if label not in left_out)
    kept = Kept(sets=count, documents=count * each * len(rows), categories=categories, left_out=tuple(left_out))
    return sets, kept
