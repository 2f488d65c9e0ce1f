"""The embedded engine: one super node orders, everybody keeps and re-checks.

The ordering node can delay or refuse, and is caught if it rewrites: every follower holds the chain and verifies each
block by applying it, and sealed results carry their committee's signatures. But it is one point of failure; a
replicated engine would not be.

At start the chain of hashes is followed, and the kept state compared with the root in the head, so that damage is
found before anything is served.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from comitia.core.crypto import SigningKey
from comitia.core.errors import ComitiaError, ConfigurationError, ProtocolError, UnavailableError
from comitia.core.ids import NodeId, SessionId, TransactionId, node_id
from comitia.engines.block_store import BlockStore
from comitia.ledger import merkle
from comitia.ledger.application import Application, Applied
from comitia.ledger.block import MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, Block, BlockHeader, verify_block
from comitia.ledger.genesis import Genesis, Role
from comitia.ledger.proof import Proof, proof_of
from comitia.ledger.state import Write

QUEUE_LIMIT: Final = 20_000
"""Most transactions that wait for a block; above that the node is busy."""

QUEUE_BYTES: Final = 64 << 20
"""Most bytes of transactions that wait for a block."""

FILL_BYTES: Final = MAX_BLOCK_BYTES - (1 << 20)
"""Bytes of transactions after which a block is full; the rest is for their framing."""


class Keeping(Protocol):
    """Where blocks and state are kept; see `BlockStore`, the simulator has its own."""

    recovered: str | None

    def close(self) -> None: ...

    def block(self, height: int) -> Block: ...

    def blocks(self) -> Iterator[Block]: ...

    def state(self) -> Iterator[Write]: ...

    def add(self, block: Block, writes: Sequence[Write]) -> None: ...

    def damaged(self, what: str, **values: object) -> ComitiaError: ...


class EmbeddedEngine:
    """A node's copy of the ledger; with a signer, also its orderer.

    Use `open`.

    Attributes
    ----------
    application : Application
        The state as of `head`.
    head : BlockHeader or None
        Of the highest block.
    recovered : str or None
        What was mended at start, in words.
    last_applied : Applied
        What the highest block of this run did.
    """

    def __init__(self, store: Keeping, genesis: Genesis, signer: SigningKey | None) -> None:
        self.recovered = store.recovered
        self.last_applied = Applied(results=(), changed_sessions=(), state_root=b"", writes=())
        self._store = store
        self._genesis = genesis
        self._signer = signer
        self._queue: dict[TransactionId, bytes] = {}
        self._queue_bytes = 0
        self.application, self.head = self._load()

    @classmethod
    def open(
        cls, path: Path, genesis: Genesis, *, signer: SigningKey | None = None, max_pages: int = 0
    ) -> EmbeddedEngine:
        """Open the ledger at `path`, or begin one.

        Parameters
        ----------
        path : Path
        genesis : Genesis
        signer : SigningKey or None
            Key of the super node that makes blocks; None for a node that follows.
        max_pages : int
            Most pages that the file may have; 0 for as many as the disk holds.

        Raises
        ------
        DamagedError
            If the file is damaged: names file, and offset or block. Nothing is served from it.
        StorageError
            If it cannot be read or written, or another process has it.
        ConfigurationError
            If it is another consortium's, or the signer may not make blocks.
        """
        store = BlockStore(path, genesis.digest, original=signer is not None, max_pages=max_pages)
        try:
            engine = cls(store, genesis, signer)
            if signer is not None:
                engine._require_orderer(node_id(signer.public))
        except BaseException:
            store.close()
            raise
        return engine

    def close(self) -> None:
        self._store.close()

    @property
    def height(self) -> int:
        """Height of the highest block; 0 before the first."""
        return self.head.height if self.head else 0

    @property
    def waiting(self) -> int:
        """How many transactions wait for a block."""
        return len(self._queue)

    # --- ordering -----------------------------------------------------------------------------------

    def submit(self, data: bytes, now_ms: int) -> TransactionId:
        """Queue a transaction for the next block, if it would take effect now.

        It is acknowledged by a block, not by this: what waits is not durable.

        Raises
        ------
        UnavailableError
            Code ``busy``: too many wait already.
        ProtocolError, ConfigurationError, RefusedError
            As `Application.check`.
        """
        if len(self._queue) >= QUEUE_LIMIT or self._queue_bytes + len(data) > QUEUE_BYTES:
            raise UnavailableError(
                f"{len(self._queue)} transactions wait already", code="busy", hint="try again in a moment"
            )
        envelope = self.application.check(data, self._time(now_ms), height=self.height + 1)
        transaction = TransactionId(envelope.digest)
        self.submit_own(transaction, data)
        return transaction

    def submit_own(self, transaction: TransactionId, data: bytes) -> None:
        """Queue what this node has just made itself; applying it judges it, and its result tells."""
        if transaction not in self._queue:
            self._queue[transaction] = data
            self._queue_bytes += len(data)

    def produce(self, now_ms: int) -> Block | None:
        """Make, apply and keep a block of what waits; None if nothing does.

        Raises
        ------
        StorageError
            If it cannot be kept: the ledger and the queue are as before.
        ConfigurationError
            If this node only follows.
        """
        if not self._queue:
            return None
        if self._signer is None:
            raise ConfigurationError("this node follows the ledger, it makes no blocks", code="not-allowed")
        chosen = self._next_batch()
        transactions = tuple(chosen.values())
        time_ms, previous = self._time(now_ms), self._previous
        applied = self._apply(transactions, time_ms)
        header = BlockHeader(
            chain=self._genesis.chain,
            height=self.height + 1,
            time_ms=time_ms,
            previous=previous,
            transactions_root=merkle.root(transactions),
            state_root=applied.state_root,
            proposer=node_id(self._signer.public),
            epoch=self._genesis.epoch_at(time_ms),
        )
        block = Block.sign(header, transactions, self._signer)
        self._keep(block, applied)
        for transaction in chosen:
            self._queue_bytes -= len(self._queue.pop(transaction))
        return block

    def append(self, block: Block) -> Applied:
        """Take over a block that a super node made, after checking all of it by applying it.

        1. It follows the head, holds the transactions of its header, and a super node signed it.
        2. Applying it leads to the state that its header names.

        Raises
        ------
        ProtocolError
            For either. The ledger is as before.
        StorageError
            If it cannot be kept. The ledger is as before.
        """
        header = block.header
        verify_block(  # 1
            block,
            genesis=self._genesis,
            previous=self._previous,
            height=self.height + 1,
            after_ms=self.head.time_ms if self.head else 0,
            public=self._orderer_key(self.application, header.proposer, self._genesis.epoch_at(header.time_ms)),
        )
        applied = self._apply(block.transactions, header.time_ms)
        if applied.state_root != header.state_root:  # 2
            self._restart()
            raise ProtocolError(
                f"block {header.height} leads to another state than its super node says",
                code="wrong-state",
                height=header.height,
            )
        self._keep(block, applied)
        return applied

    # --- reading ------------------------------------------------------------------------------------

    def block(self, height: int) -> Block:
        """The block at a height; `StorageError` with code ``no-block`` if there is none."""
        return self._store.block(height)

    def proof(self, session: SessionId) -> Proof:
        """The proof of a sealed session.

        Raises
        ------
        StorageError
            If it is not sealed.
        """
        return proof_of(session, self.application, self.block)

    # --- inside -------------------------------------------------------------------------------------

    @property
    def _previous(self) -> bytes:
        return self.head.digest if self.head else self._genesis.digest

    def _time(self, now_ms: int) -> int:
        """Time never runs backwards on the ledger, whatever the clock does."""
        return max(now_ms, self.head.time_ms if self.head else 0)

    def _next_batch(self) -> dict[TransactionId, bytes]:
        """As many waiting transactions as one block holds, in the order in which they came."""
        chosen: dict[TransactionId, bytes] = {}
        size = 0
        for transaction, data in self._queue.items():
            size += len(data)
            if chosen and (size > FILL_BYTES or len(chosen) == MAX_BLOCK_TRANSACTIONS):
                break
            chosen[transaction] = data
        return chosen

    def _apply(self, transactions: tuple[bytes, ...], time_ms: int) -> Applied:
        return self.application.apply(transactions, time_ms=time_ms, height=self.height + 1, previous=self._previous)

    def _keep(self, block: Block, applied: Applied) -> None:
        """Make block and state durable together; if that fails, go back to what is on disk."""
        try:
            self._store.add(block, applied.writes)
        except ComitiaError:
            self._restart()
            raise
        self.head = block.header
        self.last_applied = applied

    def _restart(self) -> None:
        """Take the state back to what is on disk: what was only applied in memory is not on the ledger."""
        self.application, self.head = self._load()

    def _load(self) -> tuple[Application, BlockHeader | None]:
        """Read the ledger and check it from the first block to the last.

        1. Every block names the one before it and holds the transactions of its header.
        2. The state has the root that the last header names.
        3. A super node signed the last header, and through the links all before it.
        """
        application = Application(self._genesis)
        last = self._follow_chain()  # 1
        try:
            application.load(self._store.state())
        except ProtocolError as error:
            raise self._store.damaged(f"an entry of the state cannot be read: {error.message}") from error
        if last is None:
            return application, None
        head = last.header
        if application.state_root != head.state_root:  # 2
            raise self._store.damaged(f"the state is not the one that block {head.height} led to", block=head.height)
        application.resume_at(head.time_ms)
        try:
            verify_block(  # 3
                last,
                genesis=self._genesis,
                previous=head.previous,
                height=head.height,
                after_ms=0,
                public=self._orderer_key(application, head.proposer, head.epoch),
            )
        except ProtocolError as error:
            raise self._store.damaged(error.message, block=head.height) from error
        return application, head

    def _follow_chain(self) -> Block | None:
        """The last block, after every block was found to follow the one before."""
        last, previous, height = None, self._genesis.digest, 0
        for block in self._store.blocks():
            header = block.header
            if header.height != height + 1 or header.previous != previous:
                raise self._store.damaged(
                    f"block {header.height} does not follow block {height}: one of the two was altered",
                    block=header.height,
                )
            if merkle.root(block.transactions) != header.transactions_root:
                raise self._store.damaged(
                    f"the transactions of block {header.height} were altered", block=header.height
                )
            last, previous, height = block, header.digest, header.height
        return last

    def _orderer_key(self, application: Application, node: NodeId, epoch: int) -> bytes:
        """The key that signs blocks in an epoch: the genesis', or what the super node has rotated it to.

        A super node that is in the genesis may sign before its membership is on the ledger: someone has to.
        """
        entry = next((entry for entry in self._genesis.super_nodes if entry.node == node), None)
        member = application.member(node)
        if entry is None or (member is not None and not (member.has(Role.SUPER_NODE) and member.is_active(epoch))):
            raise ProtocolError(f"{node} may not make blocks", code="wrong-proposer")
        return member.keys_at(epoch).signing if member is not None else entry.signing_key

    def _require_orderer(self, node: NodeId) -> None:
        try:
            self._orderer_key(self.application, node, self.application.epoch)
        except ProtocolError as error:
            raise ConfigurationError(
                f"this node's key is not that of a super node: {error.message}",
                code="not-a-super-node",
                hint="the genesis names the super nodes; leave the role out of this node's settings",
            ) from error
