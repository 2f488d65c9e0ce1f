"""The super node's desk: takes transactions, answers from the cache, moves timed-out sessions on. III.C steps 3-4.

What it knows of the ledger comes in through `LedgerView`; what it wants done goes out as effects. It is
trusted with order only: it cannot forge a transaction, and what it relays is sealed.

Source: Fig. 3
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.ledger.records import Reuse
from comitia.ledger.requests import MAX_OPEN_REQUESTS
from comitia.ledger.session import Phase, Session
from comitia.ledger.transactions import OpenRequest, Tick
from comitia.roles.messages import Follow

TICK_GRACE_MS: Final = 50
"""How long past a deadline the super node waits before it moves a session on."""

TICK_AGAIN_MS: Final = 1_000
"""After this a tick that moved nothing is ordered anew: the clock may have been set back, so that it came too early."""


class LedgerView(Protocol):
    """What the desk asks of the ledger's state."""

    def open_sessions(self) -> tuple[Session, ...]: ...

    def session(self, session: SessionId) -> Session | None: ...

    def reuse(self, request: TransactionId) -> Reuse | None: ...

    def cache_lookup(self, key: bytes, requester: NodeId, purpose: str, now_ms: int) -> SessionId | None: ...

    def may_be_served(self, source: SessionId, requester: NodeId, purpose: str, now_ms: int) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A transaction came in, well formed, a request also signed by its author, but not yet judged by the ledger.

    transaction : its id.
    data : bytes of the envelope.
    sender : who brought it, and gets the answer.
    author : who signed it.
    epoch : the epoch that it names.
    request : its body where it is a request, else None.
    """

    transaction: TransactionId
    data: bytes
    sender: NodeId
    author: NodeId
    epoch: int
    request: OpenRequest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A node asked for blocks."""

    sender: NodeId
    question: Follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The ledger has judged a record of reuse that this node posted.

    request : the request that it is of.
    taken : whether it stands; if not, the request is judged anew when it comes again.
    """

    request: TransactionId
    taken: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A session was sealed or aborted."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Some time has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The model of a sealed session, which this node was to serve, cannot be read any more."""

    session: SessionId


DeskEvent = Arrived | Asked | Recorded | Ended | Ticked | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Put a transaction, with its id, in the queue for the next block; tell `reply_to` if it was not taken."""

    transaction: TransactionId
    data: bytes
    author: NodeId
    reply_to: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTick:
    """Put a tick for an overdue session in the queue."""

    session: SessionId
    body: Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCacheHit:
    """Post a record of reuse: this request is answered from session `source`. If its model is lost, judge anew."""

    arrived: Arrived
    source: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeCached:
    """Send the model of session `source`, with its proof, to `requester`."""

    request: TransactionId
    requester: NodeId
    source: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer a node's question from this node's own ledger."""

    to: NodeId
    question: Follow


DeskEffect = Order | OrderTick | RecordCacheHit | ServeCached | Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """What the desk has in hand.

    held : ids of the sessions whose model this node can serve.
    coalesced : requests that wait for an identical one in flight, by its session.
    hits : cache hits posted and not yet on the ledger: request -> (requester, source).
    ticked : the phase and view of each session for which a tick was ordered, and when.
    """

    held: frozenset[SessionId] = frozenset()
    coalesced: Mapping[SessionId, tuple[Arrived, ...]] = field(default_factory=dict)
    hits: Mapping[TransactionId, tuple[NodeId, SessionId]] = field(default_factory=dict)
    ticked: Mapping[SessionId, tuple[Phase, int, int]] = field(default_factory=dict)


def step(
    state: DeskState, event: DeskEvent, ledger: LedgerView, now_ms: int
) -> tuple[DeskState, tuple[DeskEffect, ...]]:
    """Take one event in and say what is to be done."""
    match event:
        case Arrived(request=None):
            return state, (_order(event),)
        case Arrived():
            return _request(state, event, ledger, now_ms)
        case Asked(sender=sender, question=question):
            return state, (Answer(to=sender, question=question),)
        case Recorded(request=request, taken=taken) if request in state.hits:
            requester, source = state.hits[request]
            rest = {key: hit for key, hit in state.hits.items() if key != request}
            served = ServeCached(request=request, requester=requester, source=source)
            return replace(state, hits=rest), (served,) if taken else ()
        case Ended(session=session):
            return _release_coalesced(state, session, ledger, now_ms)
        case Lost(session=session):
            return _without(state, session), ()
        case Ticked():
            return _tick(state, ledger, now_ms)
    return state, ()


def _order(arrived: Arrived) -> Order:
    return Order(transaction=arrived.transaction, data=arrived.data, author=arrived.author, reply_to=arrived.sender)


def _request(
    state: DeskState, arrived: Arrived, ledger: LedgerView, now_ms: int
) -> tuple[DeskState, tuple[DeskEffect, ...]]:
    """Serve from the cache, join an identical request in flight, or open a session.

    A cached model goes to a requester only if every contributor's current policy allows it; the paper
    hands it to anyone who asks.
    """
    order = _order(arrived)
    assert arrived.request is not None
    task = arrived.request.task
    if not task.reuse or ledger.session(SessionId(arrived.transaction)) is not None:
        return state, (order,)
    if arrived.transaction in state.hits:
        return state, ()
    recorded = ledger.reuse(arrived.transaction)
    if recorded is not None:
        # The answer was lost on its way. It is the recorded model or none: the cache may hold a newer one by now.
        kept = recorded.source in state.held
        if not kept or not ledger.may_be_served(recorded.source, arrived.author, task.purpose, now_ms):
            return state, (order,)
        return state, (ServeCached(request=arrived.transaction, requester=arrived.author, source=recorded.source),)
    key = task.cache_key(arrived.epoch)
    source = ledger.cache_lookup(key, arrived.author, task.purpose, now_ms)
    if source is not None and source in state.held:
        hits = {**state.hits, arrived.transaction: (arrived.author, source)}
        return replace(state, hits=hits), (RecordCacheHit(arrived=arrived, source=source),)
    for session in ledger.open_sessions():
        if session.task.reuse and session.task.cache_key(session.epoch) == key:
            if len(_waiting(state, session.id, arrived.author)) >= MAX_OPEN_REQUESTS:
                break  # the ledger will refuse it, or take it, like any other
            return _wait_for(state, session.id, arrived), ()
    return state, (order,)


def _waiting(state: DeskState, session: SessionId, author: NodeId) -> tuple[Arrived, ...]:
    return tuple(other for other in state.coalesced.get(session, ()) if other.author == author)


def _wait_for(state: DeskState, session: SessionId, arrived: Arrived) -> DeskState:
    waiting = state.coalesced.get(session, ())
    if any(other.transaction == arrived.transaction for other in waiting):
        return state
    return replace(state, coalesced={**state.coalesced, session: (*waiting, arrived)})


def _release_coalesced(
    state: DeskState, session: Session, ledger: LedgerView, now_ms: int
) -> tuple[DeskState, tuple[DeskEffect, ...]]:
    """A session ended: judge anew every request that waited for it."""
    waiting = state.coalesced.get(session.id, ())
    rest = {key: value for key, value in state.coalesced.items() if key != session.id}
    ticked = {key: value for key, value in state.ticked.items() if key != session.id}
    state = replace(state, coalesced=rest, ticked=ticked)
    effects: list[DeskEffect] = []
    for arrived in waiting:
        state, more = _request(state, arrived, ledger, now_ms)
        effects.extend(more)
    return state, tuple(effects)


def _tick(state: DeskState, ledger: LedgerView, now_ms: int) -> tuple[DeskState, tuple[DeskEffect, ...]]:
    overdue = tuple(_overdue(state, ledger, now_ms))
    if not overdue:
        return state, ()
    effects = tuple(
        OrderTick(session=session.id, body=Tick(phase=session.phase, view=session.view)) for session in overdue
    )
    ticked = {session.id: (session.phase, session.view, now_ms) for session in overdue}
    return replace(state, ticked={**state.ticked, **ticked}), effects


def _overdue(state: DeskState, ledger: LedgerView, now_ms: int) -> Iterator[Session]:
    for session in ledger.open_sessions():
        if now_ms > session.deadline_ms + TICK_GRACE_MS and not _was_ticked(state, session, now_ms):
            yield session


def _was_ticked(state: DeskState, session: Session, now_ms: int) -> bool:
    """Whether a tick for this stage is on its way. A time still to come was noted before the clock was set back."""
    phase, view, at_ms = state.ticked.get(session.id, (None, 0, 0))
    return (phase, view) == (session.phase, session.view) and at_ms <= now_ms < at_ms + TICK_AGAIN_MS


def holding(state: DeskState, session: SessionId) -> DeskState:
    """The state of a desk that also has the model of `session`."""
    return replace(state, held=state.held | {session})


def _without(state: DeskState, session: SessionId) -> DeskState:
    """Serve the model of a session no more: whoever asks for it gets a session of their own."""
    hits = {request: hit for request, hit in state.hits.items() if hit[1] != session}
    return replace(state, held=state.held - {session}, hits=hits)
