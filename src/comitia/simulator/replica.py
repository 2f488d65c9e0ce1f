"""The ledger's copies in a simulated world. Applying a block is pure, so all nodes share what each block led to."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.core.errors import ConfigurationError, ProtocolError
from comitia.core.ids import SessionId, TransactionId
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.application import Application, Applied
from comitia.ledger.block import Block, BlockHeader, verify_block
from comitia.ledger.proof import Proof, proof_of
from comitia.simulator.disk import SimulatedBlocks, Touch
from comitia.simulator.founding import Founding


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A block, its digest, and what it led to. `application` is never changed after."""

    block: Block
    digest: bytes
    application: Application
    applied: Applied


class History:
    """Every block that any node has applied, by digest of its header."""

    def __init__(self, founding: Founding) -> None:
        first = Step(
            block=founding.block,
            digest=founding.block.header.digest,
            application=founding.application,
            applied=founding.applied,
        )
        self.genesis = founding.genesis
        self.steps: dict[bytes, Step] = {founding.block.header.digest: first}
        self.first = founding.block.header.digest
        self.ordered: list[Step] = [first]

    def add(self, block: Block, application: Application, applied: Applied) -> None:
        """Take down what the super node's own application made of a block."""
        step = Step(block=block, digest=block.header.digest, application=application.fork(), applied=applied)
        self.steps[block.header.digest] = step
        self.ordered.append(step)

    @property
    def latest(self) -> Step:
        """The highest block of the orderer."""
        return self.ordered[-1]

    def after(self, head: Step, block: Block) -> Step:
        """What a block leads to from `head`; as `EmbeddedEngine.append`, once for all who hold `head`.

        Raises
        ------
        ProtocolError
            The block does not follow, is not signed by the super node, or leads to another state than it says.
        """
        header = block.header
        if header.previous == head.digest and block is self.latest.block:
            return self.latest
        found = self.steps.get(header.digest)
        if found is not None and found.block == block and header.previous == head.digest:
            return found
        verify_block(
            block,
            genesis=self.genesis,
            previous=head.digest,
            height=head.block.header.height + 1,
            after_ms=head.block.header.time_ms,
            public=self.genesis.super_nodes[0].signing_key,
        )
        application = head.application.fork()
        applied = application.apply(
            block.transactions, time_ms=header.time_ms, height=header.height, previous=header.previous
        )
        if applied.state_root != header.state_root:
            raise ProtocolError(f"block {header.height} leads to another state", code="wrong-state")
        step = Step(block=block, digest=header.digest, application=application, applied=applied)
        self.steps[step.digest] = step
        return step


class Replica:
    """A follower's copy of the ledger. Its last blocks may be lost in a crash; it asks for them again.

    Parameters
    ----------
    history : History
    touch : Touch
    kept : list of digests
        The file: the blocks that this node holds.
    """

    def __init__(self, history: History, touch: Touch, kept: list[bytes]) -> None:
        self._history = history
        self._touch = touch
        self._kept = kept
        self.last_applied = self._head.applied

    @property
    def _head(self) -> Step:
        return self._history.steps[self._kept[-1]]

    @property
    def application(self) -> Application:
        return self._head.application

    @property
    def height(self) -> int:
        return len(self._kept)

    def append(self, block: Block) -> Applied:
        step = self._history.after(self._head, block)
        self._touch("append:before")
        self._kept.append(step.digest)
        self.last_applied = step.applied
        self._touch("append:after")
        return step.applied

    def block(self, height: int) -> Block:
        return self._history.steps[self._kept[height - 1]].block

    def proof(self, session: SessionId) -> Proof:
        return proof_of(session, self.application, self.block)

    def submit(self, data: bytes, now_ms: int) -> TransactionId:
        raise ConfigurationError("this node follows the ledger", code="not-allowed")

    def submit_own(self, transaction: TransactionId, data: bytes) -> None:
        raise ConfigurationError("this node follows the ledger", code="not-allowed")

    def produce(self, now_ms: int) -> Block | None:
        return None


class Orderer(EmbeddedEngine):
    """The embedded engine over a simulated disk; the founding block, which all worlds share, is not read anew."""

    def __init__(self, history: History, blocks: SimulatedBlocks, founding: Founding) -> None:
        self._history = history
        self._founding = founding
        self._blocks = blocks
        super().__init__(blocks, founding.genesis, founding.parties[0].keys.signing)
        step = history.steps[history.first]
        for block in blocks.kept[1:]:
            step = history.after(step, block)
            if block.header.height > history.latest.block.header.height:
                history.ordered.append(step)

    def produce(self, now_ms: int) -> Block | None:
        block = super().produce(now_ms)
        if block is not None:
            self._history.add(block, self.application, self.last_applied)
        return block

    def _load(self) -> tuple[Application, BlockHeader | None]:
        if len(self._blocks.kept) == 1 and not self._blocks.flipped:
            return self._founding.application.fork(), self._founding.block.header
        return super()._load()


def begin(blocks: SimulatedBlocks, founding: Founding) -> None:
    """Put the founding block on a new disk."""
    blocks.kept.append(founding.block)
    for write in founding.applied.writes:
        if write.value is not None:
            blocks.entries[write.table, write.key] = write.value
