"""A committee member at work: performs what `roles.member` decides, for a provider and for a witness."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from comitia.consensus.score_sheet import Score
from comitia.core.codec import decode, digest, encode
from comitia.core.errors import ComitiaError, DamagedError, ProtocolError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.driver.keeper import Keeper
from comitia.driver.library import Library
from comitia.driver.node import Node
from comitia.driver.workbench import Workbench
from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.kept_back import KeptBack
from comitia.learning.local_model import LocalModel
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.ledger.session import Phase, Session
from comitia.privacy.released import Released
from comitia.roles import member
from comitia.roles.effects import (
    Assess,
    Combine,
    Decide,
    DeliverModel,
    MemberEffect,
    OpenReferences,
    Post,
    Remember,
    ScoreReleases,
    Send,
    SettleBudget,
    Train,
    WakeAt,
)
from comitia.roles.events import (
    Assessed,
    Combined,
    Decided,
    MemberEvent,
    ModelAsked,
    ReferencesOpened,
    RevealAsked,
    RevealReceived,
    Scored,
    SessionAdvanced,
    Trained,
    VoteReceived,
    Woke,
)
from comitia.roles.memory import Memory
from comitia.roles.messages import AskModel, AskReveal, Deliver, Message, Received, References, Reveal, Vote
from comitia.text.codebook import Codebook

log = logging.getLogger("comitia.committee")

MEMORY_LIMIT: Final = 1 << 24

SESSIONS_KEPT: Final = 64
"""How many ended sessions a member keeps at hand for requesters who ask again."""


class Owner(Protocol):
    """What only a provider has: documents, a policy, a budget."""

    def decide(self, session: Session) -> Decided | None:
        """Answer a request, reserving its budget for a yes; None if a person has to."""
        ...

    def train(
        self, session: Session, codebook: Codebook, using: Learner, given: GlobalModel | None = None
    ) -> tuple[bytes, int, int]:
        """Release bytes, rows, and the epsilon paid in millionths; `given` is the model of the rounds before."""
        ...

    def settle(self, session: SessionId, released: bool) -> None: ...


class Committee:
    """The part of a node that sits in committees.

    Parameters
    ----------
    node : Node
    library : Library
        Where codebooks come from.
    owner : Owner or None
        None for a witness.
    bench : Workbench
        Judges and combines.
    keeper : Keeper or None
        A witness' references that it keeps back; None for a provider.
    """

    def __init__(
        self, node: Node, library: Library, owner: Owner | None, bench: Workbench, keeper: Keeper | None = None
    ) -> None:
        self._node = node
        self._library = library
        self._owner = owner
        self._bench = bench
        self._keeper = keeper
        self._states: dict[SessionId, member.MemberState] = {}
        self._releases: dict[tuple[SessionId, int, NodeId], Released[LocalModel] | None] = {}
        self._models: dict[tuple[SessionId, int], GlobalModel] = {}
        self._resumed = False
        self._changed: dict[SessionId, None] = {}
        self._early: dict[SessionId, dict[tuple[type[Message], NodeId], Received]] = {}
        self._stepped: dict[SessionId, None] = {}
        self._over: dict[SessionId, None] = {}

    def resume(self) -> None:
        """Begin to take part, first in the sessions that were open when this node last ran.

        Until then blocks pass by: while this node catches up they tell of sessions as they stood long ago, and
        what it has done in them is in its memory.
        """
        self._resumed = True
        memories = self._node.store.memories()
        for session in self._node.application.open_sessions():
            if self._takes_part(session):
                kept = memories.pop(session.id, None)
                memory = Memory() if kept is None else _recalled(session.id, kept)
                self._states[session.id] = member.MemberState(node=self._node.node, session=session, memory=memory)
                self._step(session.id, SessionAdvanced(session=session))
        for ended, value in memories.items():
            self._close_ended(ended, _recalled(ended, value))
        for question in self._node.store.questions():
            if question.session not in self._states:
                self._node.store.forget(question.session)

    # --- what comes in ------------------------------------------------------------------------------

    def on_message(self, received: Received) -> None:
        session = SessionId(received.session)
        if self._comes_early(received):
            self._early.setdefault(session, {})[type(received.message), received.sender] = received
            return
        match received.message:
            case Reveal() as reveal:
                self._step(session, RevealReceived(reveal=reveal))
            case References() as references:
                self._step(session, ReferencesOpened(references=references))
            case AskReveal(authors=authors, round=number, keepers=keepers):
                asked = RevealAsked(sender=received.sender, authors=authors, round=number, keepers=keepers)
                self._step(session, asked)
            case Vote(block=block, signature=signature):
                self._step(session, VoteReceived(sender=received.sender, block=block, signature=signature))
            case AskModel():
                self._step(session, ModelAsked(sender=received.sender))
            case _:
                pass

    def on_block(self, block: Block, applied: Applied) -> None:
        if not self._resumed:
            return
        self._changed.update(dict.fromkeys(applied.changed_sessions))
        if self._node.is_behind:
            return
        changed, self._changed = self._changed, {}
        for session_id in changed:
            session = self._node.application.session(session_id)
            if session is None or not self._takes_part(session):
                continue
            if session_id not in self._states:
                self._states[session_id] = member.MemberState(node=self._node.node, session=session)
            self._step(session_id, SessionAdvanced(session=session))
            if session.phase is not Phase.COMMIT:
                for received in self._early.pop(session_id, {}).values():
                    self.on_message(received)
        self._tidy()

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        """The ledger's record, not a refusal, says where a session stands."""

    def on_wake(self, session: SessionId) -> None:
        self._step(session, Woke(now_ms=self._node.now_ms()))

    def on_heartbeat(self) -> None:
        """Sessions have timers of their own."""

    def on_store_changed(self) -> None:
        """The owner may have answered a question."""
        for state in list(self._states.values()):
            if state.session.phase is Phase.CONSENT and state.memory.answer is None:
                self._perform(Decide(session=state.session))

    # --- what the role wants done -------------------------------------------------------------------

    def _step(self, session_id: SessionId, event: MemberEvent) -> None:
        state = self._states.get(session_id)
        if state is None:
            return
        state, effects = member.step(state, event, self._node.keys.signing, self._node.now_ms())
        self._states[session_id] = state
        self._stepped[session_id] = None
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: MemberEffect) -> None:
        node = self._node
        match effect:
            case Remember(session=session, memory=memory):
                node.store.remember(session, encode(memory))
            case Post(session=session, body=body):
                node.post(session, body)
            case Send(to=to, session=session, message=message):
                node.send(to, session, message)
            case WakeAt(session=session, at_ms=at_ms):
                node.wake_at(session, at_ms)
            case SettleBudget(session=session, released=released):
                if self._owner is not None:
                    self._owner.settle(session, released)
            case DeliverModel(session=session):
                self._deliver(session)
            case Decide(session=session):
                self._decide(session)
            case Train(session=session, reveals=reveals):
                self._library.codebook(session.task.codebook, partial(self._train, session, reveals))
            case Assess(session=session, reveals=reveals):
                self._library.codebook(session.task.codebook, partial(self._assess, session, reveals))
            case OpenReferences(session=session, commitment=commitment):
                self._open_references(session, commitment)
            case ScoreReleases(session=session):
                self._library.codebook(session.task.codebook, partial(self._score, effect))
            case Combine(session=session, reveals=reveals):
                self._library.codebook(session.task.codebook, partial(self._combine, session, reveals))

    def _decide(self, session: Session) -> None:
        if self._owner is None:
            return
        decided = self._owner.decide(session)
        if decided is not None:
            log.info("session %s: %s", session.id.hex()[:12], decided.reason or "takes part")
            self._step(session.id, decided)

    def _train(self, session: Session, earlier: Sequence[Reveal], codebook: Codebook) -> None:
        """Train, or explain in the log why not; the session goes on without this provider then."""
        if self._owner is None:
            return
        try:
            given = self._model_of(session, session.round - 1, earlier, codebook)
            using = self._bench.learner(session.task.learner)
            release, rows, paid = self._owner.train(session, codebook, using, given)
        except ComitiaError as error:
            log.error("session %s: cannot train: %s", session.id.hex()[:12], error.message)
            return
        trained = Trained(
            release=release, nonce=self._node.draw(32), rows=rows, epsilon_micro=paid, round=session.round
        )
        self._step(session.id, trained)

    def _assess(self, session: Session, earlier: Sequence[Reveal], codebook: Codebook) -> None:
        """Whether the rounds before have made a model that is good enough on the public references."""
        model = self._model_of(session, session.round - 1, earlier, codebook)
        loss = self._bench.loss_ppm(session.task.learner, codebook, model) if model is not None else None
        threshold = session.task.threshold_ppm
        enough = loss is not None and threshold is not None and loss <= threshold
        self._step(session.id, Assessed(round=session.round, enough=enough))

    def _open_references(self, session: SessionId, commitment: bytes) -> None:
        """Open what this witness is bound to, or say in the log why not; the session goes on without it then."""
        opened = self._keeper.opened(commitment) if self._keeper is not None else None
        if opened is None:
            log.error("session %s: the references that this node is bound to are gone", session.hex()[:12])
            return
        self._step(session, ReferencesOpened(references=opened))

    def _score(self, scoring: ScoreReleases, codebook: Codebook) -> None:
        """A line for every committed model but the own one; what is not here, or not readable, is not received."""
        session = scoring.session
        held = {reveal.author: reveal for reveal in scoring.reveals}
        read = {opened.keeper: self._bench.read_references(codebook, opened) for opened in scoring.references}
        kept_back = {keeper: kept for keeper, kept in read.items() if kept is not None}
        given = self._model_of(session, session.round - 1, scoring.earlier, codebook)
        scores = tuple(
            self._score_one(session, codebook, author, held.get(author), given, kept_back)
            for author in sorted(session.commits)
            if author != self._node.node
        )
        self._step(session.id, Scored(scores=scores, round=session.round))

    def _score_one(
        self,
        session: Session,
        codebook: Codebook,
        author: NodeId,
        reveal: Reveal | None,
        given: GlobalModel | None,
        kept_back: Mapping[NodeId, KeptBack],
    ) -> Score:
        release = self._read(session, codebook, reveal) if reveal is not None else None
        if release is None:
            return Score(author=author, received=False)
        return self._bench.score(session.task.learner, codebook, author, release, given, kept_back)

    def _combine(self, session: Session, reveals: Sequence[Reveal], codebook: Codebook) -> None:
        combined = self._model_of(session, session.round, reveals, codebook)
        if combined is None:
            return
        model = combined.to_bytes()
        self._node.store.keep_artefact(digest(model), model)
        self._step(session.id, Combined(model=digest(model), size=len(model)))

    def _model_of(
        self, session: Session, rounds: int, reveals: Sequence[Reveal], codebook: Codebook
    ) -> GlobalModel | None:
        """The model after so many rounds, from their accepted releases; None before the first."""
        model: GlobalModel | None = None
        for number in range(1, rounds + 1):
            place = (session.id, number)
            if place not in self._models:
                releases = [self._read(session, codebook, reveal) for reveal in reveals if reveal.round == number]
                readable = [release for release in releases if release is not None]
                if len(readable) < len(releases):
                    log.error("session %s: an accepted release is not readable here", session.id.hex()[:12])
                    return None
                self._models[place] = self._bench.combine(session.task.learner, codebook, readable, model)
            model = self._models[place]
        return model

    def _read(self, session: Session, codebook: Codebook, reveal: Reveal) -> Released[LocalModel] | None:
        """A release, read and checked once a session."""
        key = (session.id, reveal.round, reveal.author)
        if key not in self._releases:
            self._releases[key] = self._bench.read(session, codebook, reveal)
        return self._releases[key]

    def _deliver(self, session: Session) -> None:
        node = self._node
        if session.block is None:
            return
        model = node.store.artefact(session.block.model)
        if model is None:
            return
        proof = node.engine.proof(session.id).to_bytes()
        message = Deliver(session=session.id, request=TransactionId(session.id), model=model, proof=proof)
        node.send(session.requester, session.id, message)

    # --- keeping order ------------------------------------------------------------------------------

    def _comes_early(self, received: Received) -> bool:
        """Whether this is what a member opens once all have committed, and the block that says so is not here yet.

        It is kept until that block comes: one of each kind from each who may be a member, and of its own only.
        """
        state = self._states.get(SessionId(received.session))
        if state is None or state.session.phase is not Phase.COMMIT:
            return False
        match received.message:
            case Reveal(author=author, round=number):
                own, invited = author, state.session.drawn
                current = number == state.session.round
            case References(keeper=keeper):
                own, invited, current = keeper, state.session.keepers, True
            case _:
                return False
        return current and own == received.sender and own in invited

    def _takes_part(self, session: Session) -> bool:
        return self._node.node in session.drawn or self._node.node in session.witnesses

    def _tidy(self) -> None:
        """Forget what was durable of sessions that are over, and the oldest of them altogether."""
        stepped, self._stepped = self._stepped, {}
        for session in stepped:
            if member.is_over(self._states[session]):
                self._node.store.unqueue_session(session)
                self._node.store.forget(session)
                self._over[session] = None
        while len(self._over) > SESSIONS_KEPT:
            session = next(iter(self._over))
            del self._over[session], self._states[session]
            for key in [key for key in self._releases if key[0] == session]:
                del self._releases[key]
            for place in [place for place in self._models if place[0] == session]:
                del self._models[place]

    def _close_ended(self, session: SessionId, memory: Memory) -> None:
        """A session ended while this node was away: settle what it had reserved."""
        if self._owner is not None and memory.answer:
            self._owner.settle(session, memory.revealed)
        self._node.store.unqueue_session(session)
        self._node.store.forget(session)


def _recalled(session: SessionId, kept: bytes) -> Memory:
    """What was remembered of a session; a node that cannot know what it has promised must not go on."""
    try:
        return decode(Memory, kept, limit=MEMORY_LIMIT)
    except ProtocolError as error:
        raise DamagedError(
            f"what this node remembers of session {session.hex()[:16]} cannot be read: {error.message}",
            code="memory-damaged",
            hint="its store is damaged; restore it from a backup",
        ) from error
