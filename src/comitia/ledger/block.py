"""Blocks: transactions in order, tied to everything before them and to the state they lead to.

Cf. Fig. 4
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from comitia.core.codec import decode, digest, encode
from comitia.core.crypto import SigningKey, verify
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.ledger import merkle
from comitia.ledger.genesis import Genesis

HEADER_DOMAIN: Final = b"comitia block header\x00"
MAX_BLOCK_BYTES: Final = 8 << 20
MAX_BLOCK_TRANSACTIONS: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class BlockHeader:
    """What a super node signs for a block.

    Attributes
    ----------
    chain : the consortium, 16 hex characters.
    height : 1 for the first block.
    time_ms : never before the previous block's.
    previous : digest of the previous header; the genesis digest for the first block.
    transactions_root : RFC 6962 root over the transactions' bytes.
    state_root : root of the state after this block; an empty block leaves it as it was.
    proposer : the super node that made it.
    epoch : the epoch of `time_ms`.
    """

    chain: str
    height: int
    time_ms: int
    previous: bytes
    transactions_root: bytes
    state_root: bytes
    proposer: NodeId
    epoch: int

    @cached_property
    def digest(self) -> bytes:
        """The block's hash, 32 bytes; what the proposer signs and the next block names."""
        return digest(HEADER_DOMAIN + encode(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHeader:
    """A header, and the signature over its digest: what a super node has once said of the ledger."""

    header: BlockHeader
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A signed header with the envelopes of its transactions, in order."""

    header: BlockHeader
    signature: bytes
    transactions: tuple[bytes, ...]

    @classmethod
    def sign(cls, header: BlockHeader, transactions: tuple[bytes, ...], key: SigningKey) -> Block:
        return cls(header=header, signature=key.sign(header.digest), transactions=transactions)

    @property
    def signed_header(self) -> SignedHeader:
        return SignedHeader(header=self.header, signature=self.signature)

    def to_bytes(self) -> bytes:
        return encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Block:
        """Read a block; judged by `verify_block` and by applying it.

        Raises
        ------
        ProtocolError
            If the bytes are too many, malformed or not canonical.
        """
        return decode(cls, data, limit=MAX_BLOCK_BYTES)


def verify_block(block: Block, *, genesis: Genesis, previous: bytes, height: int, after_ms: int, public: bytes) -> None:
    """Check everything about a block that needs no state.

    1. It belongs to this chain and follows the block before it, in height, hash and time; its epoch is its time's.
    2. Its transactions are those that its header names.
    3. Its proposer signed it.

    Raises
    ------
    ProtocolError
        Codes ``wrong-link``, ``wrong-transactions``, ``bad-signature``, naming the height.
    """
    header = block.header
    expected = (genesis.chain, previous, height, genesis.epoch_at(header.time_ms))
    linked = (header.chain, header.previous, header.height, header.epoch) == expected
    if not linked or header.time_ms < after_ms:  # 1
        raise ProtocolError(f"block {header.height} does not follow block {height - 1}", code="wrong-link")
    if merkle.root(block.transactions) != header.transactions_root:  # 2
        raise ProtocolError(
            f"the transactions of block {height} are not those of its header", code="wrong-transactions"
        )
    if not verify(public, header.digest, block.signature):  # 3
        raise ProtocolError(f"the signature of block {height} is not valid", code="bad-signature")
