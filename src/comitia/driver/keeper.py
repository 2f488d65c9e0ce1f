"""A witness' references: sets of labelled documents that it keeps back, and the order in which it is bound to them.

The owner agrees to show them (`comitia references`), one set a session. What is kept is vectors and labels, made by
the command; this node never sees the text.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from comitia.core.codec import decode, encode
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.node import Node
from comitia.driver.ports import Store
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.ledger.session import references_commitment
from comitia.ledger.transactions import BindReferences, RegisterCodebook, type_name
from comitia.roles.messages import Received, References

log = logging.getLogger("comitia.keeper")

SHELF_FACT: Final = "kept-back"
SET_LIMIT: Final = 1 << 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a set stands: its codebook, and the commitment under which the store has it."""

    codebook: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSets:
    """All sets of a witness, in the order in which they are used."""

    places: tuple[Place, ...] = ()


def reference_fact(commitment: bytes) -> str:
    """Under which name a store keeps the set behind a commitment."""
    return f"{SHELF_FACT}/{commitment.hex()}"


def kept_sets(store: Store) -> KeptSets:
    """What a witness keeps back, used or not."""
    kept = store.fact(SHELF_FACT)
    return KeptSets() if kept is None else decode(KeptSets, kept)


def keep_set(store: Store, chain: str, codebook: bytes, references: References) -> None:
    """Put a set at the end of a witness' shelf."""
    bound = references_commitment(chain, references.keeper, references.nonce, references.documents)
    store.note(reference_fact(bound), encode(references))
    places = (*kept_sets(store).places, Place(codebook=codebook, commitment=bound))
    store.note(SHELF_FACT, encode(KeptSets(places=places)))


def opened_by(store: Store, commitment: bytes) -> References | None:
    """The set behind a commitment; None if it is not here."""
    kept = store.fact(reference_fact(commitment))
    return None if kept is None else decode(References, kept, limit=SET_LIMIT)


class Keeper:
    """The part of a witness that keeps references back."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._on_their_way: set[TransactionId] = set()
        node.on_membership(self._bind)

    def opened(self, commitment: bytes) -> References | None:
        """The set behind a commitment of this node's; None if it is not here."""
        return opened_by(self._node.store, commitment)

    def _bind(self) -> None:
        """Bring to the ledger what the owner has added, for each codebook that is there."""
        node = self._node
        if self._on_their_way:
            return
        places = kept_sets(node.store).places
        for codebook in (entry.digest for entry in node.application.codebooks()):
            bound = node.application.shelf(codebook, node.node).commitments
            unbound = tuple(p.commitment for p in places if p.codebook == codebook and p.commitment not in bound)
            if unbound:
                body = BindReferences(codebook=codebook, commitments=unbound)
                self._on_their_way.add(node.post(b"", body))

    # --- what comes in ------------------------------------------------------------------------------

    def on_block(self, block: Block, applied: Applied) -> None:
        for result in applied.results:
            if result.code:
                self.on_refused(result.transaction, result.code, result.message)
            elif result.transaction in self._on_their_way or result.type == type_name(RegisterCodebook):
                self._on_their_way.discard(result.transaction)
                self._bind()

    def on_store_changed(self) -> None:
        """The owner may have added documents."""
        self._bind()

    def on_message(self, received: Received) -> None:
        """Nobody writes to a keeper."""

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        if transaction in self._on_their_way:
            self._on_their_way.discard(transaction)
            log.warning("references were not bound: %s (%s)", message, code)

    def on_wake(self, session: SessionId) -> None:
        """A keeper has no timers."""

    def on_heartbeat(self) -> None:
        """A keeper waits for nothing but blocks."""
