"""One node without its process: takes in packets, blocks and time, and performs what its parts want done.

What must be durable is written before anything is sent: effects of one event are collected, the store's
transaction is committed, then the packets leave. Whoever runs a node hands it one event after another.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from comitia.core.envelope import Envelope
from comitia.core.errors import InputError, ProtocolError, UnavailableError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.driver.clocks import Clocks
from comitia.driver.histories import Histories
from comitia.driver.ports import BLOCKS_TOPIC, Keys, Ledger, Store, Wire
from comitia.driver.quota import QUESTIONS_A_SECOND, TOLD_EVERY_MS, Questions
from comitia.ledger.application import Application, Applied
from comitia.ledger.block import Block, BlockHeader, SignedHeader
from comitia.ledger.fork import ForkProof
from comitia.ledger.genesis import DAY_MS, Genesis, Membership
from comitia.ledger.transactions import (
    ONCE_IN_SESSION,
    OpenRequest,
    RegisterMember,
    Transaction,
    round_of,
    sign_transaction,
    type_name,
)
from comitia.roles.messages import (
    BUSY,
    QUESTIONS,
    WITH_HEAD,
    AskLater,
    Blocks,
    Follow,
    Forked,
    Message,
    PublicKeys,
    Received,
    Submit,
    Submitted,
    pack,
    unpack,
)

log = logging.getLogger("comitia.node")

RESUBMIT_MS: Final = 1_000
FOLLOW_MS: Final = 2_000
HEARTBEAT_MS: Final = 500
NONCE_BYTES: Final = 16
FARTHEST_AHEAD_MS: Final = 2 * DAY_MS
"""How far after this node's clock a block may be dated."""
TOLD_AT_ONCE: Final = 8
"""How many members a node tells of a fork at each heartbeat, until it has told all."""
_ON_LEDGER: Final = frozenset({"on-ledger", "already-posted"})
"""How the ledger refuses what it has taken from this node before: it was brought again, and its block is on the way."""
_NEWCOMERS: Final = NodeId("")
"""Under this name all who are not on the ledger ask: they can make themselves any number of names."""
COMPLAINTS: Final = 20
"""Bad messages that get a line in the log between two heartbeats; of the rest it says how many there were."""
STOP_FACT: Final = "stop"
"""What `comitia stop` writes into a node's store."""


class Part(Protocol):
    """One role that this node plays. A part may ignore any of these."""

    def on_message(self, received: Received) -> None: ...

    def on_block(self, block: Block, applied: Applied) -> None: ...

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None: ...

    def on_wake(self, session: SessionId) -> None: ...

    def on_heartbeat(self) -> None: ...

    def on_store_changed(self) -> None: ...


class Ordering(Protocol):
    """What a super node adds: transactions go straight into its own ledger, and blocks come out."""

    def order_own(self, transaction: TransactionId, data: bytes) -> None: ...

    def make_block(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A packet that leaves once the store's transaction is durable."""

    to: NodeId
    data: bytes


class Node:
    """A node that follows the ledger, and carries messages between its parts and its peers.

    Parameters
    ----------
    genesis, membership, keys
        Who this node is and in which consortium.
    engine : Ledger
        This node's copy of the ledger.
    store : Store
    wire : Wire
    clock : milliseconds since 1970, UTC.
    draw : that many random bytes that nobody can foretell.

    Attributes
    ----------
    histories : Histories
        Whether the ledger is forked. If it is, the node stands still: it takes nothing in and says nothing but that.
    """

    def __init__(
        self,
        *,
        genesis: Genesis,
        membership: Membership,
        keys: Keys,
        engine: Ledger,
        store: Store,
        wire: Wire,
        clock: Callable[[], int],
        draw: Callable[[int], bytes],
    ) -> None:
        self.genesis = genesis
        self.membership = membership
        self.keys = keys
        self.node = keys.node
        self.engine = engine
        self.store = store
        self.now_ms = clock
        self.draw = draw
        self.ordering: Ordering | None = None
        self.sent_bytes = 0
        self._wire = wire
        self._parts: list[Part] = []
        self._timers: list[tuple[int, SessionId]] = []
        self._due: dict[SessionId, int] = {}
        self._outgoing: list[Packed] = []
        self._outbox: dict[TransactionId, bytes] = store.outbox()
        self._sent_ms: dict[TransactionId, int] = {}
        self._followed_ms = 0
        self._known_head = -1
        self.run_nonce = draw(NONCE_BYTES)
        self._clocks = Clocks(store, genesis.parameters.request_window_ms)
        self._joining = TransactionId(b"")
        self._complaints = 0
        self._questions = Questions()
        self._loud: set[NodeId] = set()
        self._seen_writes = store.changed_elsewhere()
        self._when_member: list[Callable[[], None]] = []
        self._at_heartbeat: list[Callable[[], None]] = []
        self._when_forked: list[Callable[[], None]] = []
        self._untold: list[NodeId] | None = None
        self.histories = Histories(genesis, engine, store, self._fork_found)

    @property
    def is_forked(self) -> bool:
        """Whether two histories of the ledger are proven: no record, seal or permission on it can be relied on."""
        return self.histories.fork is not None

    @property
    def is_behind(self) -> bool:
        """Whether the super node has told of blocks that are not here yet: what they end must not be begun anew."""
        return self.ordering is None and self.engine.height < self._known_head

    @property
    def application(self) -> Application:
        """This node's copy of the ledger's state."""
        return self.engine.application

    def add(self, part: Part) -> None:
        self._parts.append(part)

    # --- what parts ask for -------------------------------------------------------------------------

    def post(self, session: bytes, body: Transaction) -> TransactionId:
        """Sign a transaction and bring it to the ledger until it is there or refused.

        Of what a node may say once in a session, or in a round, only one is ever signed, whatever is posted later, and
        it is durable before it is sent. Anything else is posted anew after a crash, if it is still wanted.
        """
        kind = type_name(type(body))
        once = kind in ONCE_IN_SESSION
        place = f"{kind}/{round_of(body)}"
        already = self.store.queued(session, place) if once else None
        envelope = Envelope.from_bytes(already) if already else self._sign(session, body)
        transaction = TransactionId(envelope.digest)
        data = envelope.to_bytes()
        if once and not already:
            self.store.queue(transaction, session, place, data)
        self._outbox[transaction] = data
        self._bring(transaction, data)
        return transaction

    def withdraw_post(self, transaction: TransactionId) -> None:
        """Stop bringing a transaction to the ledger: what it was for has ended."""
        self._drop(transaction)

    def send(self, to: NodeId, session: bytes, message: Message) -> None:
        """Send a message once what was written so far is durable; it may be lost."""
        if not self._may_leave(message):
            return
        try:
            data = pack(
                message,
                chain=self.genesis.chain,
                epoch=self.genesis.epoch_at(self.now_ms()),
                session=session,
                sender=self.node,
                recipient=to,
                key=self.keys.signing,
                recipient_keys=self._keys_of(to),
                head=self._head_for(to, message),
            )
        except ProtocolError as error:  # the recipient's own fault, and no other's loss
            log.warning("not sent to %s: %s (%s)", to, error.message, error.code)
            return
        self._outgoing.append(Packed(to=to, data=data))

    def _may_leave(self, message: Message) -> bool:
        """Nothing rests on a forked ledger but the proof that it is."""
        return not self.is_forked or isinstance(message, Forked)

    def _head_for(self, to: NodeId, message: Message) -> SignedHeader | None:
        """The block that a message names as its sender's."""
        return self.histories.head if isinstance(message, WITH_HEAD) else None

    def publish_block(self, block: Block) -> None:
        """Tell the followers of a new block."""
        data = block.to_bytes()
        self._wire.publish(BLOCKS_TOPIC, data)
        self.sent_bytes += len(data)

    def wake_at(self, session: SessionId, at_ms: int) -> None:
        """Call every part's `on_wake` then; a later call for the session replaces an earlier one."""
        self._due[session] = at_ms
        heapq.heappush(self._timers, (at_ms, session))

    def on_membership(self, action: Callable[[], None]) -> None:
        """Run `action` once the ledger knows this node."""
        self._when_member.append(action)

    def on_fork(self, action: Callable[[], None]) -> None:
        """Run `action` once the ledger is found to be forked; at the next heartbeat if it is."""
        self._when_forked.append(action)

    def on_heartbeat(self, action: Callable[[], None]) -> None:
        """Run `action` every now and then."""
        self._at_heartbeat.append(action)

    # --- what comes in ------------------------------------------------------------------------------------

    def take(self, action: Callable[[], None]) -> None:
        """Deal with one event: its writes become durable together, then its packets leave.

        A peer's bad message is that peer's fault and is dropped with a line in the log.
        """
        self._outgoing.clear()
        try:
            with self.store.transaction():
                action()
                self._fire_timers()
        except ProtocolError as error:
            self._complain(error)
            return
        self.send_out()

    def _complain(self, error: ProtocolError) -> None:
        """Say what was dropped, and why; whoever sends thousands must not fill the log."""
        self._complaints += 1
        if self._complaints <= COMPLAINTS:
            log.warning("dropped: %s (%s)", error.message, error.code)

    def send_out(self) -> None:
        """Let the collected packets leave; whatever they rest on must be durable."""
        outgoing, self._outgoing = self._outgoing, []
        for packed in outgoing:
            try:
                self._wire.send(packed.to, packed.data)
                self.sent_bytes += len(packed.data)
            except UnavailableError as error:
                log.debug("not sent: %s", error.message)
            except InputError as error:  # larger than anybody takes: one message's loss, not the node's end
                log.error("not sent to %s: %s (%s)", packed.to, error.message, error.code)

    @property
    def backlog(self) -> int:
        """How many events wait for this node."""
        return 0

    @property
    def next_timer_ms(self) -> int | None:
        """When this node next wants to be called, by its clock."""
        return self._timers[0][0] if self._timers and not self.is_forked else None

    def stop(self) -> None:
        """End after the event in hand; whoever runs the node says how."""

    def _fire_timers(self) -> None:
        now = self.now_ms()
        while (due := self.next_timer_ms) is not None and due <= now:
            at_ms, session = heapq.heappop(self._timers)
            if self._due.get(session) == at_ms:
                del self._due[session]
                for part in self._parts:
                    part.on_wake(session)

    def heartbeat(self) -> None:
        """Do what is due every now and then: resubmit, follow, look at what commands wrote."""
        now = self.now_ms()
        if self._complaints > COMPLAINTS:
            log.warning("dropped %d more", self._complaints - COMPLAINTS)
        self._complaints = 0
        for action in self._at_heartbeat:
            action()
        self._look_at_store()
        if self.is_forked:
            self._stand_still()
            return
        for part in self._parts:
            part.on_heartbeat()
        self._register()
        for transaction, data in list(self._outbox.items()):
            if now - self._sent_ms.get(transaction, 0) >= RESUBMIT_MS:
                self._bring(transaction, data)
        # Until it is known where the ledger stands it is asked for again, even while new blocks come.
        if self.ordering is None and (self._known_head < 0 or now - self._followed_ms >= FOLLOW_MS):
            self._follow()

    def _look_at_store(self) -> None:
        """See what a command has written: an answer, a policy, a wish that this node stops."""
        writes = self.store.changed_elsewhere()
        if writes == self._seen_writes:
            return
        self._seen_writes = writes
        if self.store.fact(STOP_FACT) is not None:
            self.store.erase(STOP_FACT)
            self.stop()
        self.histories.look_at_store()
        for part in self._parts:
            part.on_store_changed()

    def _follow(self) -> None:
        self._followed_ms = self.now_ms()
        self.send(self.super_node, b"", Follow(height=self.engine.height, nonce=self.run_nonce))

    @property
    def super_node(self) -> NodeId:
        """The super node that this node asks; the paper's nearby SN_req."""
        return self.genesis.super_nodes[0].node

    # --- the ledger ---------------------------------------------------------------------------------

    def _sign(self, session: bytes, body: Transaction) -> Envelope:
        record = self.application.session(SessionId(session)) if session else None
        return sign_transaction(
            body,
            chain=self.genesis.chain,
            epoch=record.epoch if record else self.genesis.epoch_at(self.now_ms()),
            sender=self.node,
            key=self.keys.signing,
            session=session,
        )

    def _bring(self, transaction: TransactionId, data: bytes) -> None:
        self._sent_ms[transaction] = self.now_ms()
        if self.ordering is not None:
            self.ordering.order_own(transaction, data)
        else:
            self.send(self.super_node, b"", Submit(transaction=data))

    def on_connection(self, connected: bool) -> None:
        """The way to the super node is there, again, or gone."""
        if connected:
            self._sent_ms.clear()
            self._followed_ms = 0
            self.heartbeat()

    def on_packet(self, data: bytes) -> None:
        """A packet came; it is dropped with a `ProtocolError` unless all of it holds."""
        self.on_received(
            unpack(data, chain=self.genesis.chain, me=self.node, sealing=self.keys.sealing, keys_of=self._keys_of)
        )

    def on_received(self, received: Received) -> None:
        """A message came that is what it says, from whom it says."""
        if isinstance(received.message, Forked):
            self.histories.accept(received.message.proof)
            return
        if received.head is not None:
            self._require_present(received.head.header)
            self.histories.hear(received.sender, received.head)
        if self.histories.fork is not None:
            self.send(received.sender, b"", Forked(proof=self.histories.fork))
            return
        if isinstance(received.message, QUESTIONS) and not self._answers(received):
            return
        match received.message:
            case Blocks(nonce=nonce) if nonce != self.run_nonce:
                log.info("an answer to an earlier run of this node came late")
            case Blocks(blocks=blocks, head=head, sent_ms=sent_ms):
                self._clocks.compare(self.now_ms(), sent_ms)
                self._known_head = max(self._known_head, head)
                before = self.engine.height
                self._on_blocks(blocks)
                if before < self.engine.height < head:  # without progress the heartbeat asks again
                    self._follow()
                self._register()
            case Submitted() if received.sender != self.super_node:
                log.info("%s answers what only the super node was asked", received.sender)
            case Submitted(transaction=transaction, code=code) if code == BUSY and not self._is_request(transaction):
                log.info("the super node is busy; the transaction is sent again")
            case Submitted(transaction=transaction, code=code, message=message) if code:
                self._refused(transaction, code, message)
            case _:
                for part in self._parts:
                    part.on_message(received)

    def _answers(self, received: Received) -> bool:
        """Whether a question is answered; else its sender is told, now and then, to ask later."""
        asker, now = received.sender if received.registered else _NEWCOMERS, self.now_ms()
        if self._questions.take(asker, now):
            return True
        if self._questions.is_to_be_told(asker, now):
            self.send(received.sender, received.session, AskLater(wait_ms=TOLD_EVERY_MS))
        if asker not in self._loud:
            self._loud.add(asker)
            log.warning(
                "%s asks more than %d questions a second: it is told to ask later", received.sender, QUESTIONS_A_SECOND
            )
        return False

    def _is_request(self, transaction: TransactionId) -> bool:
        """Whether this is a request that somebody waits for: it ends at "busy", everything else is sent again."""
        data = self._outbox.get(transaction)
        return data is not None and Envelope.from_bytes(data).header.type == type_name(OpenRequest)

    def _on_blocks(self, blocks: tuple[bytes, ...]) -> None:
        """Take blocks as far as they hold. A bad one must not undo what the good ones before it led to: it is in
        the parts' minds already."""
        for data in blocks:
            try:
                self.on_block(data)
            except ProtocolError as error:
                log.warning("dropped a block: %s (%s)", error.message, error.code)
                return

    def _keys_of(self, node: NodeId) -> PublicKeys | None:
        member = self.application.member(node)
        if member is None:
            return None
        pair = member.keys_at(self.application.epoch)
        return PublicKeys(signing=pair.signing, sealing=pair.sealing)

    def on_block(self, data: bytes) -> None:
        """A block came, which may be old, come too early, or be of another history."""
        if self.is_forked:
            return
        block = self.read_block(data)
        self._require_present(block.header)
        if self.histories.is_next(block.header):
            self._append(block)
            return
        self.histories.hear(block.header.proposer, block.signed_header)
        if self.is_forked or block.header.height <= self.engine.height:
            return
        if block.header.height > self.engine.height + 1:
            self._follow()
            return
        self._append(block)

    def _append(self, block: Block) -> None:
        """Add the block that comes next. One that leads nowhere may be signed all the same: that is not forgotten."""
        self._followed_ms = self.now_ms()
        try:
            applied = self.engine.append(block)
        except ProtocolError:
            self.histories.hear(block.header.proposer, block.signed_header)
            raise
        self.block_applied(block, applied)

    def _require_present(self, header: BlockHeader) -> None:
        """Refuse a block of the far future: the ledger's time never runs back, so nothing would come after it for long.

        Raises
        ------
        ProtocolError
            Code ``from-the-future``.
        """
        ahead_ms = header.time_ms - self.now_ms()
        if ahead_ms > FARTHEST_AHEAD_MS:
            raise ProtocolError(
                f"block {header.height} is dated {ahead_ms // DAY_MS} days after this node's clock",
                code="from-the-future",
            )

    @staticmethod
    def read_block(data: bytes) -> Block:
        """A block as it came; what it is worth is found by applying it."""
        return Block.from_bytes(data)

    def block_applied(self, block: Block, applied: Applied) -> None:
        """A block was added to this node's ledger: tidy the outbox, tell the parts."""
        self.histories.grown(block)
        for result in applied.results:
            if result.code:  # another transaction of this block came before it
                self._refused(result.transaction, result.code, result.message)
            elif result.transaction in self._outbox:
                self._drop(result.transaction)
        for part in self._parts:
            part.on_block(block, applied)
        self._register()

    def _refused(self, transaction: TransactionId, code: str, message: str) -> None:
        if transaction not in self._outbox:
            return
        if code in _ON_LEDGER:
            self._drop(transaction)
            self._follow()
            return
        log.info("the ledger refused a transaction: %s (%s)", message, code)
        self._drop(transaction)
        for part in self._parts:
            part.on_refused(transaction, code, message)

    def _drop(self, transaction: TransactionId) -> None:
        self._outbox.pop(transaction, None)
        self._sent_ms.pop(transaction, None)
        self.store.unqueue(transaction)

    def _register(self) -> None:
        """Bring this node's membership to the ledger; start what waited for it, once all blocks are here."""
        if self.application.member(self.node) is None:
            if self._joining not in self._outbox:
                self._joining = self.post(b"", RegisterMember(membership=self.membership))
        elif self.ordering is not None or 0 <= self._known_head <= self.engine.height:
            waiting, self._when_member = self._when_member, []
            for action in waiting:
                action()

    # --- a forked ledger ----------------------------------------------------------------------------

    def _fork_found(self, proof: ForkProof) -> None:
        """What this event was going to send rests on one of two histories, and stays here."""
        log.error("%s. This node takes part in nothing more; it tells the other members", proof.sentence)
        self._outgoing.clear()
        self._stand_still()

    def _stand_still(self) -> None:
        """End what waits for the ledger here, and tell the other members of the fork, some at a time."""
        proof = self.histories.fork
        assert proof is not None
        waiting, self._when_forked = self._when_forked, []
        for action in waiting:
            action()
        if self._untold is None:
            others = {member.node for member in self.application.members()} - {self.node}
            self._untold = sorted(others, key=lambda node: (node < self.node, node))  # not all begin with the same
        told, self._untold = self._untold[:TOLD_AT_ONCE], self._untold[TOLD_AT_ONCE:]
        for node in told:
            self.send(node, b"", Forked(proof=proof))
