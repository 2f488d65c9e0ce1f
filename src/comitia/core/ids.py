"""Identifiers. A node's identity follows from its signing key, so it cannot be chosen or shared."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NewType

from comitia.core.codec import digest

NodeId = NewType("NodeId", str)
"""32 hexadecimal characters: the first half of the SHA-256 of a node's Ed25519 public key."""

TransactionId = NewType("TransactionId", bytes)
"""32 bytes: digest of what the author signed."""

SessionId = NewType("SessionId", bytes)
"""32 bytes: the transaction id of the request that opened the session."""


NAMES_KEPT: Final = 4096
"""Of how many keys the names are remembered: those of a consortium's nodes are asked for again and again."""


@lru_cache(NAMES_KEPT)
def node_id(public_key: bytes) -> NodeId:
    """The identity that belongs to an Ed25519 public key (32 bytes)."""
    return NodeId(digest(public_key)[:16].hex())


@lru_cache(NAMES_KEPT)
def key_id(public_key: bytes) -> bytes:
    """Eight bytes that name a public key in an envelope."""
    return digest(public_key)[:8]
