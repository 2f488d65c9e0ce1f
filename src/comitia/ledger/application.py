"""The replicated state machine: what the ledger's transactions do. II-B, III.C, Fig. 3.

Every node runs the same code on the same blocks and comes to the same state root. Nothing here reads a
clock, a random source or a set's order; time is the block's. `apply` repeats every check of `check`, because
only the order in a block counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from comitia.core.codec import digest, encode
from comitia.core.envelope import Envelope
from comitia.core.errors import ComitiaError, ProtocolError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.ledger import membership, merkle, outcome, register, requests, reuse
from comitia.ledger.authentication import Authentication
from comitia.ledger.context import Context
from comitia.ledger.genesis import Genesis, Role
from comitia.ledger.records import NO_BLOCK, Member, Seen
from comitia.ledger.state import Write
from comitia.ledger.tables import Tables
from comitia.ledger.transactions import (
    BindReferences,
    OpenRequest,
    RecordReuse,
    RegisterCodebook,
    RegisterMember,
    RegisterProfile,
    ReportEvidence,
    RevokeMember,
    RotateKey,
    SetPolicy,
    Transaction,
    Withdraw,
    transaction_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one transaction in a block.

    Attributes
    ----------
    transaction, type, author, session : which; empty where it could not be read.
    code, message : why it was refused; empty where it took effect.
    """

    transaction: TransactionId
    type: str
    author: NodeId
    session: SessionId
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a block did.

    Attributes
    ----------
    results : one a transaction.
    changed_sessions : ids of the sessions that moved on.
    state_root : after the block.
    writes : entries that changed, for the engine to keep.
    """

    results: tuple[Result, ...]
    changed_sessions: tuple[SessionId, ...]
    state_root: bytes
    writes: tuple[Write, ...]


class Application(Tables):
    """The ledger's tables and the rules that change them.

    Parameters
    ----------
    genesis : Genesis
        The consortium.
    """

    def __init__(self, genesis: Genesis) -> None:
        super().__init__(genesis)
        self.epoch = 0
        self._authentication = Authentication(genesis)

    def fork(self) -> Application:
        """A copy, as of the last block, that goes its own way; what was checked once is checked for both."""
        copy = Application(self.genesis)
        copy.epoch = self.epoch
        copy.state = self.state.fork()
        copy.index = self.index.copy()
        copy.witnesses = dict(self.witnesses)
        copy._open = dict(self._open)
        copy._authentication = self._authentication
        return copy

    @property
    def state_root(self) -> bytes:
        return self.state.root

    def active_members(self) -> tuple[Member, ...]:
        """Who is a member in the epoch of the last block."""
        return tuple(member for member in self.members() if member.is_active(self.epoch))

    def read(self, data: bytes) -> tuple[Envelope, Transaction]:
        """Take a transaction apart, once for all who ask; its signature is not judged. Errors as `parse`."""
        return self._authentication.read(data)

    def check(self, data: bytes, time_ms: int, *, height: int) -> Envelope:
        """Whether a transaction would take effect in a block made now; changes nothing.

        Raises
        ------
        ProtocolError, ConfigurationError, RefusedError
            Saying what is wrong with it.
        """
        try:
            return self._run(data, time_ms, height, 0, NO_BLOCK)[0]
        finally:
            self.state.drop()

    def check_request(self, data: bytes, time_ms: int) -> tuple[Envelope, OpenRequest]:
        """Read a request that a requester of this consortium has signed, lately; errors as `check`.

        Whether it would open a session is not looked at: it may be answered without one.
        """
        envelope, body = self._authentication.read(data)
        if not isinstance(body, OpenRequest):
            raise ProtocolError(f"a {envelope.header.type} is no request", code="out-of-place")
        author = envelope.header.sender
        self._authentication.require_author(envelope, body, self.member(author), None, time_ms)
        self.require_role(author, Role.REQUESTER)
        requests.require_timely(self, body, time_ms)
        return envelope, body

    def apply(self, transactions: Sequence[bytes], *, time_ms: int, height: int, previous: bytes) -> Applied:
        """Apply a block's transactions in order. A bad one gets an error result and stops nothing.

        An engine that cannot keep the result goes back to what it has kept, with a new `Application`.
        """
        results = []
        drawn_by = digest(encode([previous, time_ms, merkle.root(transactions)]))
        for position, data in enumerate(transactions):
            results.append(self._apply_one(data, time_ms, height, position, drawn_by))
        self._forget_seen(time_ms)
        changed = tuple(dict.fromkeys(r.session for r in results if r.session and not r.code))
        writes = self.state.commit()
        self.epoch = self.genesis.epoch_at(time_ms)
        for write in writes:
            self.refresh(write.table, (write.key,))
        return Applied(results=tuple(results), changed_sessions=changed, state_root=self.state.root, writes=writes)

    def load(self, writes: Iterable[Write]) -> None:
        """Enter the state as it was kept by an engine; errors as `State.load`."""
        for write in writes:
            assert write.value is not None
            self.state.load(write.table, write.key, write.value)

    def resume_at(self, time_ms: int) -> None:
        """Go on at the head's time: after `load`, once the engine has found that the state's root is the head's."""
        self.epoch = self.genesis.epoch_at(time_ms)
        for table in ("holding", "member", "session"):
            self.refresh(table, (key for key, _ in self.state.items(table)))

    def _apply_one(self, data: bytes, time_ms: int, height: int, position: int, anchor: bytes) -> Result:
        try:
            envelope, context = self._run(data, time_ms, height, position, anchor)
        except ComitiaError as error:
            self.state.drop()
            return _refused(data, error)
        self.state.keep()
        return Result(
            transaction=context.transaction,
            type=envelope.header.type,
            author=context.author,
            session=context.session,
        )

    def _run(self, data: bytes, time_ms: int, height: int, position: int, anchor: bytes) -> tuple[Envelope, Context]:
        """Read, authenticate and carry out one transaction.

        1. It is well formed and within its bounds. 2. It is authentic, see `Authentication`. 3. It is not on the
        ledger yet.
        """
        envelope, body = self._authentication.read(data)  # 1
        header = envelope.header
        session = self.require_session(SessionId(header.session)) if header.session else None
        self._authentication.require_author(envelope, body, self.member(header.sender), session, time_ms)  # 2
        transaction = transaction_id(envelope)
        if self.state.get("seen", transaction.hex()) is not None:  # 3
            raise ProtocolError("the transaction is on the ledger already", code="on-ledger")
        context = Context(
            transaction=transaction,
            author=header.sender,
            session=SessionId(header.session),
            time_ms=time_ms,
            height=height,
            position=position,
            epoch=header.epoch,
            anchor=anchor,
        )
        if session is not None:
            outcome.advance(self, session, body, context, self._authentication.verify)
        else:
            self.state.put("seen", transaction.hex(), Seen(epoch=header.epoch))
            context = self._outside_session(body, context, envelope)
        return envelope, context

    def _outside_session(self, body: Transaction, context: Context, envelope: Envelope) -> Context:
        match body:
            case RegisterMember():
                membership.register(self, body, context)
            case RotateKey():
                membership.rotate_key(self, body, context, envelope)
            case RevokeMember():
                membership.revoke(self, body, context)
            case ReportEvidence():
                membership.exclude(self, body, self._authentication)
            case RegisterCodebook():
                register.add_codebook(self, body, context)
            case RegisterProfile():
                register.add_profile(self, body, context)
            case Withdraw():
                register.withdraw(self, context)
            case SetPolicy():
                register.set_policy(self, body, context)
            case BindReferences():
                register.bind_references(self, body, context)
            case OpenRequest():
                return requests.open_session(self, body, context)
            case RecordReuse():
                reuse.record(self, body, context, self._authentication)
            case _:
                raise AssertionError(f"{type(body).__name__} belongs in a session")
        return context

    def _forget_seen(self, time_ms: int) -> None:
        """A transaction two epochs old cannot come back: its epoch would not be accepted."""
        epoch = self.genesis.epoch_at(time_ms)
        if epoch == self.epoch:
            return
        old = [key for key, seen in self.state.items("seen") if seen.epoch < epoch - 1]
        for key in old:
            self.state.put("seen", key, None)


def _refused(data: bytes, error: ComitiaError) -> Result:
    """The result of a transaction that took no effect; its facts as far as they can be read."""
    try:
        envelope = Envelope.from_bytes(data)
        header = envelope.header
        known = (transaction_id(envelope), header.type, header.sender, SessionId(header.session))
    except ProtocolError:
        known = (TransactionId(digest(data)), "", NodeId(""), SessionId(b""))
    return Result(
        transaction=known[0],
        type=known[1],
        author=known[2],
        session=known[3],
        code=error.code,
        message=error.message,
    )
