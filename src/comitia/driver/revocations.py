"""Members whom an administrator has revoked: signed outside the node, brought to the ledger by the super node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from comitia.core.codec import decode, encode
from comitia.driver.ports import Store
from comitia.ledger.transactions import RevokeMember

FACT: Final = "revocations"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """As kept in the super node's store."""

    revocations: tuple[RevokeMember, ...]


def pending(store: Store) -> tuple[RevokeMember, ...]:
    """What is signed and not known to be on the ledger."""
    kept = store.fact(FACT)
    return () if kept is None else decode(_Pending, kept).revocations


def keep_pending(store: Store, revocations: tuple[RevokeMember, ...]) -> None:
    store.note(FACT, encode(_Pending(revocations=revocations)))
