"""A requester at work: performs what `roles.requester` decides, and hands the ended request to its caller."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from comitia.consensus.prospect import enough_epsilon
from comitia.consensus.verdicts import Verdict
from comitia.core.codec import digest
from comitia.core.counting import counted
from comitia.core.errors import (
    AbortedError,
    ComitiaError,
    DamagedError,
    ProtocolError,
    RefusedError,
    UnavailableError,
)
from comitia.core.ids import SessionId, TransactionId
from comitia.core.units import MICRO
from comitia.driver.histories import FORK_HINT
from comitia.driver.node import Node
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.ledger.fork import FORKED
from comitia.ledger.proof import Proof, Verified, verify_proof
from comitia.ledger.session import Session, block_digest
from comitia.ledger.transactions import OpenRequest, Task
from comitia.privacy.terms import PrivacyTerms, in_units
from comitia.roles import requester
from comitia.roles.effects import Finish, Send, WakeAt
from comitia.roles.events import Delivered, Refused, RequesterEvent, SessionAdvanced, Woke
from comitia.roles.messages import BUSY, Deliver, Received

log = logging.getLogger("comitia.requester")

Progress = Callable[[Session], None]
Done = Callable[[Finish], None]

SILENCE_MS: Final = 10_000
"""How long past the last deadline of its session a requester waits."""


class Requesting:
    """The part of a node that asks.

    Parameters
    ----------
    node : Node
    progress : called with the ledger's record whenever a request's session moves on.
    done : called once for every request.
    """

    def __init__(self, node: Node, *, progress: Progress, done: Done) -> None:
        self._node = node
        self._progress = progress
        self._done = done
        self._open: dict[SessionId, requester.RequesterState] = {}
        self._tasks: dict[SessionId, Task] = {}
        self._early: dict[SessionId, Deliver] = {}
        self._verified: dict[bytes, Verified] = {}
        node.on_fork(self._give_up)

    def ask(self, request: OpenRequest) -> SessionId:
        """Open a request; on the node's thread."""
        task = request.task
        rounds_ms = task.rounds * (task.commit_ms + task.score_ms)
        stages = task.consent_ms + rounds_ms + task.seal_ms * (task.providers_max + 1)
        session = SessionId(self._node.post(b"", request))
        self._open[session] = requester.RequesterState(
            request=session, patience_ms=self._node.now_ms() + stages + SILENCE_MS
        )
        self._tasks[session] = task
        self._node.wake_at(session, self._node.now_ms() + requester.RETRY_MS)
        return session

    def verified(self, model: bytes, proof: bytes) -> Verified:
        """What a model's proof says, if it holds; the very same bytes are checked once.

        Raises
        ------
        DamagedError
            If it does not.
        """
        key = digest(proof + model)
        if key not in self._verified:
            self._verified[key] = verify_proof(Proof.from_bytes(proof), self._node.genesis, model)
        return self._verified[key]

    def on_message(self, received: Received) -> None:
        match received.message:
            case Deliver(request=request) as delivery if SessionId(request) in self._open:
                self._delivered(delivery)
            case _:
                pass

    def on_block(self, block: Block, applied: Applied) -> None:
        for session_id in applied.changed_sessions:
            if session_id in self._open:
                session = self._node.application.session(session_id)
                if session is not None:
                    self._progress(session)
                    self._step(session_id, SessionAdvanced(session=session))
        early, self._early = self._early, {}
        for delivery in early.values():
            self._delivered(delivery)

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        self._step(SessionId(transaction), Refused(transaction=transaction, code=code, message=message))

    def on_wake(self, session: SessionId) -> None:
        self._step(session, Woke(now_ms=self._node.now_ms()))

    def on_heartbeat(self) -> None:
        """Nothing to do: requests have timers of their own."""

    def on_store_changed(self) -> None:
        """Commands write nothing for a requester."""

    def _give_up(self) -> None:
        """The ledger is forked: no request can be answered, whether made before or after."""
        self._node.on_fork(self._give_up)
        fork = self._node.histories.fork
        assert fork is not None
        for session in list(self._open):
            self._step(session, Refused(transaction=TransactionId(session), code=FORKED, message=fork.sentence))

    def _delivered(self, delivery: Deliver) -> None:
        """Check M against its proof, and the proof against the ledger, before anyone sees it.

        What does not hold is asked for elsewhere. What does not answer this request by the blocks that are here may
        have come before the block that says so: the last such is looked at again with each block.
        """
        request = SessionId(delivery.request)
        if request not in self._open:
            return
        try:
            verified = self.verified(delivery.model, delivery.proof)
        except DamagedError as error:
            log.warning("a model came that is not the one that was sealed: %s", error.message)
            return
        if self._answers(verified, request):
            cached = verified.session != request
            self._step(request, Delivered(model=delivery.model, proof=delivery.proof, cached=cached))
        else:
            self._early[request] = delivery

    def _answers(self, verified: Verified, request: SessionId) -> bool:
        """Whether a model is the one that this request is answered with. Anyone can send another request's, with its
        proof; and of a session that never was, a super node and a few members can make one.

        1. The ledger has its session, sealed with the very block. 2. That is the request's own session, or the one
        from which the ledger says that it was answered, or one that answers the same task and may be served.
        """
        application, task = self._node.application, self._tasks[request]
        source = application.session(verified.session)
        if source is None or source.block is None or block_digest(source.block) != verified.block_hash:  # 1
            return False
        if source.id == request:  # 2
            return True
        recorded = application.reuse(TransactionId(request))
        if recorded is not None:
            return recorded.source == source.id
        alike = task.reuse and task.cache_key(source.epoch) == source.task.cache_key(source.epoch)
        now_ms = self._node.now_ms()
        return alike and application.may_be_served(source.id, self._node.node, task.purpose, now_ms)

    def _step(self, session: SessionId, event: RequesterEvent) -> None:
        state = self._open.get(session)
        if state is None:
            return
        self._open[session], effects = requester.step(state, event, self._node.now_ms())
        for effect in effects:
            match effect:
                case Send(to=to, session=about, message=message):
                    self._node.send(to, about, message)
                case WakeAt(session=about, at_ms=at_ms):
                    self._node.wake_at(about, at_ms)
                case Finish():
                    del self._open[session], self._tasks[session]
                    self._early.pop(session, None)
                    self._node.withdraw_post(TransactionId(session))
                    self._done(effect)


def failure(finish: Finish, record: Session | None = None) -> ComitiaError:
    """The error that stands for a request that failed; `record` is what the ledger has of its session."""
    if finish.code == "session-aborted":
        return _aborted(finish, record)
    if finish.code == "no-answer":
        hint = "is the super node running? `comitia status` shows what is up"
        return UnavailableError(finish.reason, code=finish.code, hint=hint)
    if finish.code == BUSY:
        return UnavailableError(finish.reason, code=finish.code, hint="try again in a moment")
    if finish.code == FORKED:
        return ProtocolError(finish.reason, code=finish.code, hint=FORK_HINT)
    hint = _REFUSALS.get(finish.code, "")
    return RefusedError(f"the ledger does not take the request: {finish.reason}", code=finish.code, hint=hint)


def _aborted(finish: Finish, record: Session | None) -> AbortedError:
    """Why no model was made; where nobody could judge the work, what would have to change."""
    message = f"no model was made: {finish.reason}"
    verdicts = record.judgement.verdicts if record and record.judgement else ()
    doubtful = {author for author, verdict in verdicts if verdict is Verdict.UNVERIFIABLE}
    if record is None or record.judgement is None or not doubtful:
        return AbortedError(message, code=finish.code, session=finish.session)
    figures = [each for each in record.judgement.figures if each.author in doubtful]
    expected = [each.expected_micro / MICRO for each in figures if each.expected_micro is not None]
    task = record.task
    terms = PrivacyTerms(epsilon_micro=task.epsilon_micro, delta_pico=task.delta_pico, unit=task.unit)
    below = sum((each.signal_micro or 0) < 0 for each in figures)
    enough = enough_epsilon(expected, terms, accept_unverified=task.accept_unverified or below == len(figures))
    if below:
        message += f"; {below} of {counted(len(verdicts), 'model')} had a signal below 0"
    return AbortedError(
        message,
        code=finish.code,
        hint="; ".join(_unverified_hints(len(figures), below, expected, terms, enough)),
        session=finish.session,
        epsilon=terms.epsilon_micro / MICRO,
        signals=[None if each.signal_micro is None else each.signal_micro / MICRO for each in figures],
        expected_signals=expected,
        enough_epsilon=enough,
    )


def _unverified_hints(
    unverifiable: int, below: int, expected: Sequence[float], terms: PrivacyTerms, enough: float | None
) -> Iterator[str]:
    epsilon = in_units(terms.epsilon_micro)
    if unverifiable > below:
        usable = counted(unverifiable - below, "model")
        yield f"{usable} could not be judged on what is public: --accept-unverified uses them, marked in the block"
    if below:
        yield (
            f"below 0, noise hides what so few documents show at epsilon {epsilon}: that is not used, "
            "not even with --accept-unverified"
        )
    if enough is not None:
        yield f"by what these releases let expect, epsilon {enough:g} leaves no model less than once in 100 requests"
    elif expected:
        yield "a larger epsilon, or providers with more documents, lets more be judged"


_SET_THE_CLOCK: Final = "set this machine's clock; if it is right, the super node's is wrong"
_REFUSALS: Final = {
    "wrong-time": _SET_THE_CLOCK,
    "wrong-epoch": _SET_THE_CLOCK,
    "no-provider": "ask for other categories, another purpose, a smaller epsilon or fewer providers",
    "unknown-member": "wait until the ledger has this node's membership, and try again",
    "already-there": "ask again: the model that answered it cannot be had any more",
    "not-allowed": "join anew with the role of a requester, in another folder",
}
