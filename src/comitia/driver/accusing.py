"""Evidence against a member who signed two statements where it may make one: found when it brings the second."""

from __future__ import annotations

from typing import Final

from comitia.core.envelope import Envelope
from comitia.core.ids import NodeId, SessionId
from comitia.driver.ports import Ledger
from comitia.ledger.session import Session
from comitia.ledger.transactions import (
    MAX_TRANSACTION_BYTES,
    CommitModel,
    Consent,
    EvidenceKind,
    PostScores,
    ReportEvidence,
    Transaction,
    parse,
    round_of,
)

AUTHENTIC: Final = frozenset({"already-posted", "session-ended", "too-late", "wrong-phase", "wrong-round"})
"""How a session refuses what its author did sign: whoever did not was refused before."""


def second_statement(engine: Ledger, data: bytes) -> ReportEvidence | None:
    """What proves that the author of a refused transaction had made another statement in its place; None if it had not.

    Parameters
    ----------
    engine : Ledger
    data : bytes
        The transaction, refused with a code of `AUTHENTIC`.
    """
    envelope, body = parse(data)
    header = envelope.header
    session = engine.application.session(SessionId(header.session))
    if session is None:
        return None
    first = _first(session, header.sender, body)
    if first is None or first == body:
        return None
    for height in range(session.anchor_height, engine.height + 1):
        for other in engine.block(height).transactions:
            place = Envelope.from_bytes(other, limit=MAX_TRANSACTION_BYTES).header
            alike = (place.sender, place.session, place.type) == (header.sender, header.session, header.type)
            if alike and parse(other)[1] == first:
                kind = EvidenceKind.EQUIVOCATION
                return ReportEvidence(kind=kind, accused=header.sender, items=(other, data))
    return None


def _first(session: Session, author: NodeId, body: Transaction) -> Transaction | None:
    """The statement that the session has of an author in the place of `body`."""
    number = round_of(body)
    match body:
        case Consent():
            return session.consents.get(author)
        case CommitModel():
            return session.commits_in(number).get(author)
        case PostScores():
            scores = session.scores_in(number).get(author)
            return None if scores is None else PostScores(scores=scores, round=number)
    return None
