"""A super node's desk at work: performs what `roles.super_node` decides, and makes the blocks."""

from __future__ import annotations

import logging
from typing import Final

from comitia.core.envelope import Envelope
from comitia.core.errors import ComitiaError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.driver.accusing import AUTHENTIC, second_statement
from comitia.driver.node import Node
from comitia.driver.ports import Admission
from comitia.driver.quota import Quota
from comitia.driver.revocations import keep_pending, pending
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.ledger.records import NEVER
from comitia.ledger.session import Phase
from comitia.ledger.transactions import (
    MAX_TRANSACTION_BYTES,
    OpenRequest,
    RecordReuse,
    RegisterMember,
    ReportEvidence,
    RevokeMember,
    type_name,
)
from comitia.roles import super_node
from comitia.roles.messages import (
    BUSY,
    Blocks,
    Deliver,
    Follow,
    Received,
    Submit,
    Submitted,
)

log = logging.getLogger("comitia.desk")

BLOCKS_AT_ONCE: Final = 256
BYTES_AT_ONCE: Final = 4 << 20
"""After so many bytes of blocks an answer is full; the follower asks on."""
BUSY_BACKLOG: Final = 500
"""Messages waiting beyond which transactions are turned away: each takes about a millisecond."""

PROOFS_AT_HAND: Final = 256
"""Of cached models: making one takes longer than sending it."""

ADMIT_AFTER_MS: Final = 150
"""New access rules interrupt every connection for a moment; members who join together share one interruption."""

_ADMISSION: Final = SessionId(b"admission")
_MEMBERSHIP: Final = frozenset({type_name(RegisterMember), type_name(RevokeMember), type_name(ReportEvidence)})


class Desk:
    """The part of a super node that orders the ledger and answers everyone."""

    def __init__(self, node: Node, router: Admission) -> None:
        self._node = node
        self._router = router
        self._state = super_node.DeskState()
        self._recording: dict[TransactionId, TransactionId] = {}
        self._proofs: dict[SessionId, bytes] = {}
        self._admitted_epoch = node.application.epoch
        self._revoking: set[NodeId] = set()
        self._accused: set[NodeId] = set()
        self._quota = Quota(node.engine)
        self._old = False
        node.on_membership(self._revoke)
        for session in node.application.sessions():
            if session.phase is Phase.SEALED:
                self._hold(session.id)

    # --- what comes in ------------------------------------------------------------------------------

    def on_message(self, received: Received) -> None:
        match received.message:
            case Submit(transaction=data) if self._node.backlog > BUSY_BACKLOG:
                self._turn_away(data, received.sender)
            case Submit(transaction=data):
                self._arrived(data, received.sender)
            case Follow() as question:
                self._step(super_node.Asked(sender=received.sender, question=question))
            case _:
                pass

    def on_block(self, block: Block, applied: Applied) -> None:
        changed = any(result.type in _MEMBERSHIP and not result.code for result in applied.results)
        if changed or self._node.application.epoch != self._admitted_epoch:  # who is revoked leaves with an epoch
            self._admitted_epoch = self._node.application.epoch
            self._node.wake_at(_ADMISSION, self._node.now_ms() + ADMIT_AFTER_MS)
        if any(result.type == type_name(RevokeMember) for result in applied.results):
            self._revoke()
        for data, result in zip(block.transactions, applied.results, strict=True):
            self._look_for_evidence(data, result.code)
        for session_id in applied.changed_sessions:
            session = self._node.application.session(session_id)
            if session is not None and session.phase in (Phase.SEALED, Phase.ABORTED):
                self._hold(session_id)
                self._step(super_node.Ended(session=session))

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        log.warning("own transaction refused: %s (%s)", message, code)

    def on_wake(self, session: SessionId) -> None:
        if session == _ADMISSION:
            self._admit()
        self._step(super_node.Ticked())

    def on_heartbeat(self) -> None:
        self._step(super_node.Ticked())

    def on_store_changed(self) -> None:
        """An administrator may have revoked a member."""
        self._revoke()

    # --- ordering -----------------------------------------------------------------------------------

    def _order(self, order: super_node.Order) -> None:
        """Queue a transaction for the next block, or tell who brought it why not."""
        try:
            self._quota.require(order.author, self._node.application.epoch)
            self._node.engine.submit(order.data, self._node.now_ms())
            self._quota.charge(order.author, len(order.data))
        except ComitiaError as error:
            self._refuse(order.transaction, error, order.reply_to)
            self._look_for_evidence(order.data, error.code)

    def _refuse(self, transaction: TransactionId, error: ComitiaError, sender: NodeId) -> None:
        self._node.send(sender, b"", Submitted(transaction=transaction, code=error.code, message=error.message))

    def _look_for_evidence(self, data: bytes, code: str) -> None:
        """Report a member whose refused transaction says another thing than it has said before, once."""
        evidence = second_statement(self._node.engine, data) if code in AUTHENTIC else None
        if evidence is not None and evidence.accused not in self._accused:
            self._accused.add(evidence.accused)
            log.warning("%s signed two statements where one is allowed", evidence.accused)
            self._node.post(b"", evidence)

    def _turn_away(self, data: bytes, sender: NodeId) -> None:
        """Answer "busy" without a look at the transaction: cheaper than taking it in, so the backlog shrinks."""
        message = f"the super node is busy: {self._node.backlog} messages wait"
        self._node.send(sender, b"", Submitted(transaction=self._named(data), code=BUSY, message=message))

    @staticmethod
    def _named(data: bytes) -> TransactionId:
        """The id of a transaction that is not taken, whatever is in its envelope."""
        return TransactionId(Envelope.from_bytes(data, limit=MAX_TRANSACTION_BYTES).digest)

    def order_own(self, transaction: TransactionId, data: bytes) -> None:
        """Queue a transaction that this node has made."""
        self._node.engine.submit_own(transaction, data)

    def make_block(self) -> None:
        """Make a block of all that waits, if anything does, and publish it.

        Who waits for a cached model gets it first: nothing that followers do with the block delays it.
        """
        if self._node.is_forked or self._has_lost_blocks():
            return
        block = self._node.engine.produce(self._node.now_ms())
        if block is None:
            return
        applied = self._node.engine.last_applied
        for result in applied.results:
            request = self._recording.pop(result.transaction, None)
            if request is not None:
                self._step(super_node.Recorded(request=request, taken=not result.code))
        self._node.send_out()
        self._node.publish_block(block)
        self._node.block_applied(block, applied)

    def _has_lost_blocks(self) -> bool:
        """Whether this ledger is older than what followers hold, for instance restored from a backup."""
        lost = self._node.histories.lags
        if lost and not self._old:
            log.error("a follower holds blocks of this super node that are not here: it makes no others in their place")
        self._old = lost
        return lost

    # --- what the role wants done -------------------------------------------------------------------

    def _arrived(self, data: bytes, sender: NodeId) -> None:
        request = None
        try:
            envelope, body = self._node.application.read(data)
            if isinstance(body, OpenRequest):  # nothing is begun for a request that is not its author's
                self._quota.require(envelope.header.sender, self._node.application.epoch)
                _, request = self._node.application.check_request(data, self._node.now_ms())
        except ComitiaError as error:
            self._refuse(self._named(data), error, sender)
            return
        self._step(
            super_node.Arrived(
                transaction=TransactionId(envelope.digest),
                data=data,
                sender=sender,
                author=envelope.header.sender,
                epoch=envelope.header.epoch,
                request=request,
            )
        )

    def _step(self, event: super_node.DeskEvent) -> None:
        node = self._node
        self._state, effects = super_node.step(self._state, event, node.application, node.now_ms())
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: super_node.DeskEffect) -> None:
        node = self._node
        match effect:
            case super_node.Order():
                self._order(effect)
            case super_node.OrderTick(session=session, body=body):
                node.post(session, body)
            case super_node.RecordCacheHit(arrived=arrived, source=source):
                self._record_hit(arrived, source)
            case super_node.ServeCached(request=request, requester=requester, source=source):
                self._serve(request, requester, source)
            case super_node.Answer(to=to, question=question):
                self._send_blocks(to, question)

    def _record_hit(self, arrived: super_node.Arrived, source: SessionId) -> None:
        """Put a cache hit on the ledger, unless the model has been damaged since it was kept."""
        if self._model_of(source) is None:
            log.warning("the cached model of session %s is not here any more; it is trained anew", source.hex()[:12])
            self._step(super_node.Lost(session=source))
            self._step(arrived)
            return
        self._quota.charge(arrived.author, len(arrived.data))
        record = self._node.post(b"", RecordReuse(request=arrived.data, source=source))
        self._recording[record] = arrived.transaction

    def _serve(self, request: TransactionId, requester: NodeId, source: SessionId) -> None:
        node = self._node
        model = self._model_of(source)
        if model is None:
            self._step(super_node.Lost(session=source))
            return
        if source not in self._proofs:
            while len(self._proofs) >= PROOFS_AT_HAND:
                del self._proofs[next(iter(self._proofs))]
            self._proofs[source] = node.engine.proof(source).to_bytes()
        message = Deliver(session=source, request=request, model=model, proof=self._proofs[source])
        node.send(requester, request, message)

    def _send_blocks(self, to: NodeId, question: Follow) -> None:
        engine = self._node.engine
        last = min(engine.height, question.height + BLOCKS_AT_ONCE)
        blocks: list[bytes] = []
        size = 0
        for number in range(question.height + 1, last + 1):
            blocks.append(engine.block(number).to_bytes())
            size += len(blocks[-1])
            if size >= BYTES_AT_ONCE:
                break
        now_ms = self._node.now_ms()
        answer = Blocks(blocks=tuple(blocks), head=engine.height, nonce=question.nonce, sent_ms=now_ms)
        self._node.send(to, b"", answer)

    def _revoke(self) -> None:
        """Bring to the ledger what an administrator has signed, and forget it once it is there."""
        node = self._node
        signed = pending(node.store)
        due = tuple(
            body
            for body in signed
            if (member := node.application.member(body.node)) is not None and member.revoked_from == NEVER
        )
        if due != signed:
            keep_pending(node.store, due)
        for body in due:
            if body.node not in self._revoking:
                self._revoking.add(body.node)
                node.post(b"", body)

    def _admit(self) -> None:
        """Let exactly the active members take part on the wire."""
        self._router.update_members([member.node for member in self._node.application.active_members()])

    def _hold(self, session: SessionId) -> None:
        """Count a sealed session among those whose model can be served, if there is a file with it here.

        The bytes are read, and checked, when somebody asks for them.
        """
        record = self._node.application.session(session)
        if record is not None and record.block is not None and self._node.store.has_artefact(record.block.model):
            self._state = super_node.holding(self._state, session)

    def _model_of(self, session_id: SessionId) -> bytes | None:
        session = self._node.application.session(session_id)
        if session is None or session.block is None:
            return None
        return self._node.store.artefact(session.block.model)
