"""Sessions of years ago on a long ledger: signed by all their members as the protocol asks, over models of no use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from comitia.consensus.score_sheet import Score
from comitia.core.codec import digest
from comitia.core.crypto import SigningKey
from comitia.core.ids import NodeId, SessionId
from comitia.core.units import MICRO
from comitia.evaluation.long_ledger import LongLedger
from comitia.ledger.genesis import Role
from comitia.ledger.requests import MAX_OPEN_REQUESTS
from comitia.ledger.session import Session, block_digest, commitment, expected_block, leader
from comitia.ledger.transactions import (
    CommitModel,
    Consent,
    OpenRequest,
    Policy,
    PolicyRule,
    PostScores,
    SealBlock,
    SetPolicy,
    Task,
    Transaction,
)
from comitia.text.codebook import Codebook

PURPOSE: Final = "in the past"
PROVIDERS: Final = 3
REQUESTERS: Final = 4
STAGE_MS: Final = 60_000
RELEASE: Final = b"a release that nobody has"

_ALLOWED: Final = PolicyRule(
    requesters=("*",), categories=("*",), purposes=(PURPOSE,), epsilon_session_micro=2 * MICRO,
    epsilon_period_micro=MICRO, period_ms=1, epsilon_life_micro=MICRO,
)  # fmt: skip


def model_of(session: SessionId) -> bytes:
    """What stands for the model of a past session."""
    return bytes(session)


class PastSessions:
    """Seals sessions on a long ledger, each with three providers and the super node as its committee.

    Parameters
    ----------
    ledger : LongLedger
        Filled; it gets three more providers and four requesters.
    codebook : Codebook
    """

    def __init__(self, ledger: LongLedger, codebook: Codebook) -> None:
        self._ledger, self._codebook = ledger, codebook
        self._providers = [SigningKey.from_bytes(digest(b"past provider %d" % n)) for n in range(PROVIDERS)]
        self._requesters = [SigningKey.from_bytes(digest(b"past requester %d" % n)) for n in range(REQUESTERS)]
        self._keys = {ledger.name_of(key): key for key in (*self._providers, ledger.super_node)}
        for number, key in enumerate(self._providers):
            ledger.join(f"past {number}", key, codebook, tuple(50 for _ in codebook.leaves))
            ledger.put(key, SetPolicy(policy=Policy(version=1, rules=(_ALLOWED,))))
        for number, key in enumerate(self._requesters):
            ledger.admit(f"past requester {number}", key, Role.REQUESTER)
        ledger.end_block()

    def seal(self, count: int, say: Callable[[int], None] = lambda _: None) -> None:
        """Take so many sessions to their sealed end, as many at once as requesters may have open."""
        at_once = MAX_OPEN_REQUESTS * REQUESTERS
        for first in range(0, count, at_once):
            self._batch(range(first, min(count, first + at_once)))
            say(min(count, first + at_once))

    def _batch(self, numbers: range) -> None:
        """Stage by stage, each in a block of its own."""
        opened = [self._open(number) for number in numbers]
        self._ledger.end_block()
        for stage in (self._consents, self._commits, self._scores, self._seals):
            for session in opened:
                record = self._ledger.application.require_session(session)
                for node, body in stage(record):
                    self._ledger.put(self._keys[node], body, record)
            self._ledger.end_block()

    def _open(self, number: int) -> SessionId:
        """Each asks for another epsilon, so that each has a place of its own in the cache."""
        task = Task(
            codebook=self._codebook.digest,
            epsilon_micro=MICRO + number,
            delta_pico=10_000_000,
            providers_min=PROVIDERS,
            providers_max=PROVIDERS,
            accept_unverified=True,
            consent_ms=STAGE_MS,
            commit_ms=STAGE_MS,
            score_ms=STAGE_MS,
            seal_ms=STAGE_MS,
            purpose=PURPOSE,
            queries=bytes(32),
        )
        request = OpenRequest(task=task, issued_ms=self._ledger.now_ms, nonce=digest(b"%d" % number)[:16])
        return SessionId(self._ledger.put(self._requesters[number % REQUESTERS], request))

    def _consents(self, session: Session) -> Iterator[tuple[NodeId, Transaction]]:
        for node in session.drawn:
            yield node, Consent(answer=True)

    def _commits(self, session: Session) -> Iterator[tuple[NodeId, Transaction]]:
        for node in session.due:
            hidden = commitment(session.id, node, bytes(32), RELEASE)
            yield (
                node,
                CommitModel(
                    commitment=hidden, rows=100, epsilon_micro=session.task.epsilon_micro, size=len(RELEASE), round=1
                ),
            )

    def _scores(self, session: Session) -> Iterator[tuple[NodeId, Transaction]]:
        for judge in session.members:
            lines = [
                Score(author=author, received=True, signal_micro=9 * MICRO, expected_micro=10 * MICRO)
                for author in sorted(session.commits)
                if author != judge
            ]
            yield judge, PostScores(scores=tuple(lines), round=1)

    def _seals(self, session: Session) -> Iterator[tuple[NodeId, Transaction]]:
        model = model_of(session.id)
        block = expected_block(session, digest(model), len(model))
        yield leader(session), SealBlock(block=block, certificate=self._signed(session.members, block_digest(block)))

    def _signed(self, members: tuple[NodeId, ...], message: bytes) -> tuple[tuple[NodeId, bytes], ...]:
        keys: Mapping[NodeId, SigningKey] = self._keys
        return tuple((member, keys[member].sign(message)) for member in sorted(members))
