"""The requester: asks once, follows its session on the ledger, ends with M and its proof or a reason.

Source: III.C step 3
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from comitia.core.ids import NodeId, SessionId
from comitia.ledger.session import Phase, Session
from comitia.roles.effects import Finish, RequesterEffect, Send, WakeAt
from comitia.roles.events import Delivered, Refused, RequesterEvent, SessionAdvanced, Woke
from comitia.roles.messages import AskModel

RETRY_MS: Final = 500
"""How long a requester waits for M, once sealed, before it asks a holder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequesterState:
    """A requester's side of one request.

    request : id of the signed request, and of the session that it opens.
    patience_ms : when the requester gives up on an answer that never comes, UTC milliseconds.
    session : the ledger's record, once the session is open.
    over : whether the request ended.
    """

    request: SessionId
    patience_ms: int
    session: Session | None = None
    over: bool = False


def step(
    state: RequesterState, event: RequesterEvent, now_ms: int
) -> tuple[RequesterState, tuple[RequesterEffect, ...]]:
    """Take one event in and say what is to be done; nothing happens after the end."""
    if state.over:
        return state, ()
    match event:
        case SessionAdvanced(session=session):
            return _follow(replace(state, session=session), now_ms)
        case Refused(code=code, message=message):
            return _fail(state, code, message)
        case Delivered(model=model, proof=proof, cached=cached):
            done = Finish(session=state.request, model=model, proof=proof, cached=cached, code="", reason="")
            return replace(state, over=True), (done,)
        case Woke():
            return _insist(state, now_ms)


def _follow(state: RequesterState, now_ms: int) -> tuple[RequesterState, tuple[RequesterEffect, ...]]:
    session = state.session
    assert session is not None
    if session.phase is Phase.ABORTED:
        return _fail(state, "session-aborted", "; ".join([session.abort_reason, *_refusals(session)]))
    if session.phase is Phase.SEALED:
        return state, (WakeAt(session=state.request, at_ms=now_ms + RETRY_MS),)
    return state, ()


def _insist(state: RequesterState, now_ms: int) -> tuple[RequesterState, tuple[RequesterEffect, ...]]:
    """Ask the holders of M in the order of their rank; give up when patience ends."""
    if now_ms > state.patience_ms:
        return _fail(state, "no-answer", "no super node has answered within the time given")
    again = WakeAt(session=state.request, at_ms=now_ms + RETRY_MS)
    session = state.session
    if session is None or session.phase is not Phase.SEALED:
        return state, (again,)
    ask = AskModel(session=session.id)
    return state, (*(Send(to=node, session=session.id, message=ask) for node in _holders(session)), again)


def _refusals(session: Session) -> list[str]:
    """What those who said no gave as their reason, each reason once."""
    reasons = sorted({consent.reason for consent in session.consents.values() if not consent.answer and consent.reason})
    return [f"refused: {'; '.join(reasons)}"] if reasons else []


def _holders(session: Session) -> tuple[NodeId, ...]:
    return session.members


def _fail(state: RequesterState, code: str, reason: str) -> tuple[RequesterState, tuple[RequesterEffect, ...]]:
    failed = Finish(session=state.request, model=b"", proof=b"", cached=False, code=code, reason=reason)
    return replace(state, over=True), (failed,)
