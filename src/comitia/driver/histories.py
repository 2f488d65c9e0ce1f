"""What others say of the ledger, held against this node's copy: a fork is found, and its proof kept for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from comitia.core.errors import DamagedError, ProtocolError
from comitia.core.ids import NodeId
from comitia.driver.ports import Ledger, Store
from comitia.ledger.block import Block, BlockHeader, SignedHeader
from comitia.ledger.fork import FORKED, ForkProof, contradict, signers, verify_fork, verify_header
from comitia.ledger.genesis import Genesis

FORK_FACT: Final = "fork"
"""What a node's store calls the proof that its ledger is forked."""

FARTHEST_AHEAD: Final = 1_024
"""How many blocks ahead of its own a node remembers what it was told."""

RECENT: Final = 64
"""How many of its own last headers a node keeps at hand."""

FORK_HINT: Final = "no record of this ledger can be relied on: `comitia ledger fork` shows the proof, and what to do"


class Histories:
    """This node's history of the ledger beside those that others stand by.

    Parameters
    ----------
    genesis, engine, store
        The consortium, this node's copy of its ledger, and where the proof is kept.
    found : called with the proof, once it is kept; what follows from it is the node's business.

    Attributes
    ----------
    fork : ForkProof or None
        The proof that there are two histories, from this run or an earlier one.
    """

    def __init__(self, genesis: Genesis, engine: Ledger, store: Store, found: Callable[[ForkProof], None]) -> None:
        self.fork = read_fork(store)
        self._genesis = genesis
        self._engine = engine
        self._store = store
        self._found = found
        self._recent: dict[int, SignedHeader] = {}
        self._ahead: dict[int, SignedHeader] = {}

    @property
    def head(self) -> SignedHeader | None:
        """The block at which this node stands, as its super node signed it; None before the first."""
        height = self._engine.height
        if height > 0 and height not in self._recent:
            self._recent[height] = self._engine.block(height).signed_header
        return self._recent.get(height)

    @property
    def lags(self) -> bool:
        """Whether a super node has signed blocks that are not here. One that orders has lost them, and must not sign
        others in their place."""
        return bool(self._ahead)

    def is_next(self, header: BlockHeader) -> bool:
        """Whether a block follows on this node's last one, and nothing else that it was told of stands beside it: who
        signed it is found by applying it."""
        head = self.head
        return (
            head is not None
            and not self._ahead
            and (header.height, header.previous) == (head.header.height + 1, head.header.digest)
        )

    def hear(self, sender: NodeId, told: SignedHeader) -> None:
        """Hold a block that somebody stands by against what this node knows.

        Raises
        ------
        ProtocolError
            Code ``forged-header``: it is not of this node's history, and no super node signed it.
        """
        head = self.head
        if self.fork is not None or head is None or told.header == head.header:
            return
        for known in self._beside(head, told.header.height):
            if contradict(known.header, told.header):
                self._judge(sender, known, told)
                return
        if 0 < told.header.height - head.header.height <= FARTHEST_AHEAD and self._is_signed(told):
            self._ahead.setdefault(told.header.height, told)

    def grown(self, block: Block) -> None:
        """This node's own history has a new block, which was held against what others stand by when it came."""
        height = block.header.height
        self._recent[height] = block.signed_header
        self._recent.pop(height - RECENT, None)
        self._ahead = {above: signed for above, signed in self._ahead.items() if above > height}

    def _beside(self, head: SignedHeader, height: int) -> Iterator[SignedHeader]:
        """Headers that a header of this height could contradict."""
        if 1 <= height <= head.header.height + 1:
            yield self._own(min(height, head.header.height))
        yield from self._known(height - 1, height, height + 1)

    def _own(self, height: int) -> SignedHeader:
        recent = self._recent.get(height)
        return recent if recent is not None else self._engine.block(height).signed_header

    def _known(self, *heights: int) -> Iterator[SignedHeader]:
        """Headers that this node was told of and has no blocks for yet; super nodes have signed them."""
        yield from (self._ahead[height] for height in heights if height in self._ahead)

    def _is_signed(self, told: SignedHeader) -> bool:
        if told.header.height in self._ahead:
            return True
        try:
            verify_header(told, self._genesis, signers(self._engine.application.member, told))
        except ProtocolError:
            return False  # or by a key that this node has yet to learn of
        return True

    def accept(self, proof: ForkProof) -> None:
        """Take over the proof that somebody else has found.

        Raises
        ------
        ProtocolError
            It does not hold; see `verify_fork`.
        """
        if self.fork is None:
            verify_fork(proof, self._genesis)
            self._keep(proof)

    def look_at_store(self) -> None:
        """See whether a command has found a fork."""
        if self.fork is None and (proof := read_fork(self._store)) is not None:
            self._keep(proof)

    def _judge(self, sender: NodeId, known: SignedHeader, told: SignedHeader) -> None:
        proof = ForkProof.of(known, told, self._engine.application.member)
        try:
            verify_fork(proof, self._genesis)
        except ProtocolError as error:
            raise ProtocolError(
                f"{sender} stands by a block {told.header.height} that is not this node's: {error.message}",
                code="forged-header",
                sender=sender,
            ) from error
        self._keep(proof)

    def _keep(self, proof: ForkProof) -> None:
        self._store.note(FORK_FACT, proof.to_bytes())
        self.fork = proof
        self._found(proof)


def read_fork(store: Store) -> ForkProof | None:
    """The proof that a node keeps, if its ledger is forked.

    Raises
    ------
    DamagedError
        Code ``store-damaged``: there is something else in its place.
    """
    kept = store.fact(FORK_FACT)
    if kept is None:
        return None
    try:
        return ForkProof.from_bytes(kept)
    except ProtocolError as error:
        raise DamagedError(
            f"the proof of a fork that this node keeps cannot be read: {error.message}",
            code="store-damaged",
            hint="restore node.db from its latest backup, or let the node join anew",
        ) from error


def forked_error(proof: ForkProof) -> ProtocolError:
    """The error that stands for whatever is not done because of a fork."""
    return ProtocolError(
        proof.sentence,
        code=FORKED,
        hint=FORK_HINT,
        height=proof.height,
        signers=list(proof.signers),
    )
