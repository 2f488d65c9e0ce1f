"""One node's process: takes in packets, blocks and time, and performs what its parts want done.

Everything a node does happens on one thread, in the order of one queue; the transport's threads only put
packets there. What must be durable is written before anything is sent: effects of one event are collected,
the store's transaction is committed, then the packets leave.
"""

from __future__ import annotations

import heapq
import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from comitia.core.envelope import Envelope
from comitia.core.errors import ProtocolError, UnavailableError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.application import Application, Applied
from comitia.ledger.block import Block
from comitia.ledger.genesis import Genesis, Membership
from comitia.ledger.transactions import ONCE_IN_SESSION, RegisterMember, Transaction, sign_transaction, type_name
from comitia.roles.messages import (
    Blocks,
    Follow,
    Message,
    PublicKeys,
    Received,
    Submit,
    Submitted,
    pack,
    unpack,
)
from comitia.storage.keys import NodeKeys
from comitia.storage.node import NodeStore
from comitia.transport.contract import BLOCKS_TOPIC, Transport

log = logging.getLogger("comitia.node")

RESUBMIT_MS: Final = 1_000
FOLLOW_MS: Final = 2_000
HEARTBEAT_S: Final = 0.5
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


class Daemon:
    """A node that follows the ledger, and carries messages between its parts and its peers.

    Parameters
    ----------
    genesis, membership, keys
        Who this node is and in which consortium.
    engine : EmbeddedEngine
        This node's copy of the ledger.
    store : NodeStore
    transport : Transport
        Not yet started.
    """

    def __init__(
        self,
        *,
        genesis: Genesis,
        membership: Membership,
        keys: NodeKeys,
        engine: EmbeddedEngine,
        store: NodeStore,
        transport: Transport,
    ) -> None:
        self.genesis = genesis
        self.membership = membership
        self.keys = keys
        self.node = keys.node
        self.engine = engine
        self.store = store
        self.ordering: Ordering | None = None
        self.sent_bytes = 0
        self.transport = transport
        self._parts: list[Part] = []
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._timers: list[tuple[int, SessionId]] = []
        self._due: dict[SessionId, int] = {}
        self._outgoing: list[Packed] = []
        self._outbox: dict[TransactionId, bytes] = store.outbox()
        self._sent_ms: dict[TransactionId, int] = {}
        self._followed_ms = 0
        self._known_head = -1
        self._joining = TransactionId(b"")
        self._running = False
        self._seen_writes = store.changed_elsewhere()
        self._when_member: list[Callable[[], None]] = []
        self._at_heartbeat: list[Callable[[], None]] = []

    @property
    def application(self) -> Application:
        """This node's copy of the ledger's state."""
        return self.engine.application

    def add(self, part: Part) -> None:
        self._parts.append(part)

    @staticmethod
    def now_ms() -> int:
        """This node's clock: milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    # --- what parts ask for -------------------------------------------------------------------------

    def post(self, session: bytes, body: Transaction) -> TransactionId:
        """Sign a transaction and bring it to the ledger until it is there or refused.

        Of what a node may say once in a session only one is ever signed, whatever is posted later, and it is
        durable before it is sent. Anything else is posted anew after a crash, if it is still wanted.
        """
        kind = type_name(type(body))
        once = kind in ONCE_IN_SESSION
        already = self.store.queued(session, kind) if once else None
        envelope = Envelope.from_bytes(already) if already else self._sign(session, body)
        transaction = TransactionId(envelope.digest)
        data = envelope.to_bytes()
        if once and not already:
            self.store.queue(transaction, session, kind, data)
        self._outbox[transaction] = data
        self._bring(transaction, data)
        return transaction

    def withdraw_post(self, transaction: TransactionId) -> None:
        """Stop bringing a transaction to the ledger: what it was for has ended."""
        self._drop(transaction)

    def send(self, to: NodeId, session: bytes, message: Message) -> None:
        """Send a message once what was written so far is durable; it may be lost."""
        data = pack(
            message,
            chain=self.genesis.chain,
            epoch=self.genesis.epoch_at(self.now_ms()),
            session=session,
            sender=self.node,
            recipient=to,
            key=self.keys.signing,
            recipient_keys=self._keys_of(to),
        )
        self._outgoing.append(Packed(to=to, data=data))

    def publish_block(self, block: Block) -> None:
        """Tell the followers of a new block."""
        data = block.to_bytes()
        self.transport.publish(BLOCKS_TOPIC, data)
        self.sent_bytes += len(data)

    def wake_at(self, session: SessionId, at_ms: int) -> None:
        """Call every part's `on_wake` then; a later call for the session replaces an earlier one."""
        self._due[session] = at_ms
        heapq.heappush(self._timers, (at_ms, session))

    def on_membership(self, action: Callable[[], None]) -> None:
        """Run `action` once the ledger knows this node."""
        self._when_member.append(action)

    def on_heartbeat(self, action: Callable[[], None]) -> None:
        """Run `action` every now and then."""
        self._at_heartbeat.append(action)

    def call(self, action: Callable[[], None]) -> None:
        """Run `action` on the node's thread; for other threads."""
        self._inbox.put(action)

    # --- running ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until `stop`."""
        self._running = True
        self.transport.on_connection(lambda connected: self._inbox.put(lambda: self._on_connection(connected)))
        self.transport.start(lambda data: self._inbox.put(lambda: self._on_packet(data)))
        if self.ordering is None:
            self.transport.subscribe(BLOCKS_TOPIC, lambda data: self._inbox.put(lambda: self._on_block(data)))
        try:
            self._guarded(self._heartbeat)
            while self._running:
                self._turn()
        finally:
            self.transport.close()
            self.engine.close()
            self.store.close()

    def stop(self) -> None:
        """End `run` after the event in hand; for any thread."""
        self._inbox.put(None)

    def _turn(self) -> None:
        """Wait for the next event or timer and deal with it."""
        try:
            action = self._inbox.get(timeout=self._seconds_to_timer())
        except queue.Empty:
            action = self._heartbeat
        if action is None:
            self._running = False
            return
        self._guarded(action)
        if self.ordering is not None and self._inbox.empty():
            self._guarded(self.ordering.make_block)

    def _guarded(self, action: Callable[[], None]) -> None:
        """Run one event: its writes become durable together, then its packets leave.

        A peer's bad message is that peer's fault and is dropped with a line in the log.
        """
        self._outgoing.clear()
        try:
            with self.store.transaction():
                action()
                self._fire_timers()
        except ProtocolError as error:
            log.warning("dropped: %s (%s)", error.message, error.code)
            return
        self.send_out()

    def send_out(self) -> None:
        """Let the collected packets leave; whatever they rest on must be durable."""
        outgoing, self._outgoing = self._outgoing, []
        for packed in outgoing:
            try:
                self.transport.send(packed.to, packed.data)
                self.sent_bytes += len(packed.data)
            except UnavailableError as error:
                log.info("not sent: %s", error.message)

    def _seconds_to_timer(self) -> float:
        if not self._timers:
            return HEARTBEAT_S
        return min(HEARTBEAT_S, max(0.0, (self._timers[0][0] - self.now_ms()) / 1_000))

    def _fire_timers(self) -> None:
        now = self.now_ms()
        while self._timers and self._timers[0][0] <= now:
            at_ms, session = heapq.heappop(self._timers)
            if self._due.get(session) == at_ms:
                del self._due[session]
                for part in self._parts:
                    part.on_wake(session)

    def _heartbeat(self) -> None:
        now = self.now_ms()
        for part in self._parts:
            part.on_heartbeat()
        for action in self._at_heartbeat:
            action()
        self._register()
        self._look_at_store()
        for transaction, data in list(self._outbox.items()):
            if now - self._sent_ms.get(transaction, 0) >= RESUBMIT_MS:
                self._bring(transaction, data)
        if self.ordering is None and now - self._followed_ms >= FOLLOW_MS:
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
        for part in self._parts:
            part.on_store_changed()

    def _follow(self) -> None:
        self._followed_ms = self.now_ms()
        self.send(self.super_node, b"", Follow(height=self.engine.height))

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

    def _on_connection(self, connected: bool) -> None:
        if connected:
            self._sent_ms.clear()
            self._followed_ms = 0
            self._heartbeat()

    def _on_packet(self, data: bytes) -> None:
        received = unpack(
            data, chain=self.genesis.chain, me=self.node, sealing=self.keys.sealing, keys_of=self._keys_of
        )
        match received.message:
            case Blocks(blocks=blocks, head=head):
                self._known_head = max(self._known_head, head)
                for block in blocks:
                    self._on_block(block)
                if blocks and self.engine.height < head:
                    self._follow()
                self._register()
            case Submitted(transaction=transaction, code=code, message=message) if code:
                self._refused(transaction, code, message)
            case _:
                for part in self._parts:
                    part.on_message(received)

    def _keys_of(self, node: NodeId) -> PublicKeys | None:
        member = self.application.member(node)
        if member is None:
            return None
        pair = member.keys_at(self.application.epoch)
        return PublicKeys(signing=pair.signing, sealing=pair.sealing)

    def _on_block(self, data: bytes) -> None:
        block = Block.from_bytes(data)
        if block.header.height <= self.engine.height:
            return
        if block.header.height > self.engine.height + 1:
            self._follow()
            return
        self._followed_ms = self.now_ms()
        self.block_applied(block, self.engine.append(block))

    def block_applied(self, block: Block, applied: Applied) -> None:
        """A block was added to this node's ledger: tidy the outbox, tell the parts."""
        for result in applied.results:
            if result.transaction in self._outbox:
                self._drop(result.transaction)
        for part in self._parts:
            part.on_block(block, applied)
        self._register()

    def _refused(self, transaction: TransactionId, code: str, message: str) -> None:
        if transaction not in self._outbox:
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
