"""Where a transaction stands."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.core.ids import NodeId, SessionId, TransactionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the rules know of a transaction beside its body.

    Attributes
    ----------
    transaction, author, session, epoch : its id, and what its header says.
    time_ms, height, position : its block's, and its place in it, counted from 0.
    anchor : 32 bytes that depend on its block.
    """

    transaction: TransactionId
    author: NodeId
    session: SessionId
    time_ms: int
    height: int
    position: int
    epoch: int
    anchor: bytes
