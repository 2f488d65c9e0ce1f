"""A committee member in one session: provider or witness. III.C steps 5-7, III.D.2 (Fig. 8).

The ledger's record says where the session stands; the member's memory says what it has done. What to do
next is a function of the two, evaluated after every event. So a restarted member, given the record and its
memory, goes on by the same code that it would have run without the crash, and an event that comes twice
changes nothing.

Source: III.C step 5
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from comitia.core.crypto import SIGNATURE_BYTES, SigningKey, verify
from comitia.core.ids import NodeId
from comitia.ledger.session import (
    Phase,
    Session,
    block_digest,
    commitment,
    expected_block,
    leader,
    references_commitment,
)
from comitia.ledger.transactions import CommitModel, Consent, EndRounds, PoqBlock, PostScores, SealBlock, Tick
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
from comitia.roles.messages import AskReveal, References, Reveal, Vote

RETRY_MS: Final = 400
"""How long a member waits before it asks for what is missing, and votes again."""

TICK_GRACE_MS: Final = 500
"""How long past a deadline a member leaves it to the super nodes to move the session on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberState:
    """One node's side of one session.

    node : this node.
    session : the ledger's record, as last seen.
    memory : what survives a crash.
    reveals : opened commitments that match the ledger, by round and author.
    references : likewise what witnesses kept back, by keeper.
    enough : whether the rounds before the current one are good enough; None before that is known.
    model : digest and size of M, once combined.
    block : the block that follows from the ledger and M, and its digest, which members sign.
    votes : signatures that came, by member; the leader collects them.
    certificate : those of them that were found valid.
    begun : work that was asked of the driver, so that it is not asked for twice.
    asked : how often it has asked others for what it misses in this stage.
    settled : whether the reservation was turned into a debit or given back.
    """

    node: NodeId
    session: Session
    memory: Memory = field(default_factory=Memory)
    reveals: Mapping[tuple[int, NodeId], Reveal] = field(default_factory=dict)
    references: Mapping[NodeId, References] = field(default_factory=dict)
    enough: bool | None = None
    model: tuple[bytes, int] | None = None
    block: tuple[PoqBlock, bytes] | None = None
    votes: Mapping[NodeId, bytes] = field(default_factory=dict)
    certificate: Mapping[NodeId, bytes] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()
    asked: int = 0
    settled: bool = False


def step(
    state: MemberState, event: MemberEvent, key: SigningKey, now_ms: int
) -> tuple[MemberState, tuple[MemberEffect, ...]]:
    """Take one event in and say what is to be done.

    Parameters
    ----------
    state : MemberState
    event : MemberEvent
    key : SigningKey
        This node's key, for votes.
    now_ms : int
        This node's clock.

    Returns
    -------
    state : MemberState
    effects : tuple of MemberEffect
        To be performed in order; what must be durable stands before what others see.
    """
    state, replies = _take_in(state, event)
    effects = list(replies)
    while (advance := _next(state, key, now_ms)) is not None:
        state, more = advance
        effects.extend(more)
    return state, tuple(effects)


def is_over(state: MemberState) -> bool:
    """Whether nothing is left to do but answer a requester who asks again."""
    return state.settled and state.session.phase in (Phase.SEALED, Phase.ABORTED)


def _take_in(state: MemberState, event: MemberEvent) -> tuple[MemberState, tuple[MemberEffect, ...]]:
    match event:
        case SessionAdvanced(session=session):
            return _follow(state, session), ()
        case Decided(answer=answer, reason=reason) if state.memory.answer is None:
            return _remember(state, "decide", replace(state.memory, answer=answer, reason=reason))
        case Trained(round=number) if not state.memory.release and number == state.memory.round:
            memory = replace(
                state.memory,
                release=event.release,
                nonce=event.nonce,
                rows=event.rows,
                epsilon_micro=event.epsilon_micro,
            )
            return _remember(state, "train", memory)
        case Assessed(round=number, enough=enough) if number == state.session.round:
            return replace(state, enough=enough), ()
        case Scored(scores=scores, round=number) if state.memory.scores is None and number == state.memory.round:
            return _remember(state, "score", replace(state.memory, scores=scores))
        case Combined(model=model, size=size):
            return replace(state, model=(model, size), begun=state.begun - {"combine"}), ()
        case RevealReceived(reveal=reveal):
            return _keep_reveal(state, reveal), ()
        case ReferencesOpened(references=references):
            return _keep_references(state, references)
        case RevealAsked():
            return state, _answer_reveals(state, event)
        case VoteReceived():
            return _keep_vote(state, event), ()
        case ModelAsked(sender=sender) if _may_have_model(state, sender):
            return state, (DeliverModel(session=state.session),)
        case Woke(now_ms=now_ms):
            return _repeat(state, now_ms)
    return state, ()


def _follow(state: MemberState, session: Session) -> MemberState:
    """Look at the ledger's record; a later round begins with nothing done in it."""
    if session.round > state.memory.round:
        done = {"post-consent", "decide"}
        state = replace(state, memory=state.memory.in_round(session.round), begun=state.begun & done, enough=None)
    same = (session.round, session.phase) == (state.session.round, state.session.phase)
    return replace(state, session=session, asked=state.asked if same else 0)


def _remember(state: MemberState, work: str, memory: Memory) -> tuple[MemberState, tuple[MemberEffect, ...]]:
    state = replace(state, memory=memory, begun=state.begun - {work})
    return state, (Remember(session=state.session.id, memory=memory),)


def _next(state: MemberState, key: SigningKey, now_ms: int) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """The next thing to do, or None when it is others' turn."""
    match state.session.phase:
        case Phase.CONSENT:
            return _consent(state)
        case Phase.COMMIT:
            return _commit(state, now_ms)
        case Phase.SCORE:
            return _score(state, now_ms)
        case Phase.SEAL:
            return _seal(state, key)
        case Phase.SEALED | Phase.ABORTED:
            return _close(state)


def _run(state: MemberState, work: str, effect: MemberEffect) -> tuple[MemberState, tuple[MemberEffect, ...]]:
    return replace(state, begun=state.begun | {work}), (effect,)


def _post_once(state: MemberState, work: str, effect: Post) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Post a transaction unless that was done; the driver repeats it until the ledger has it."""
    if work in state.begun:
        return None
    return _run(state, work, effect)


def _consent(state: MemberState) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Stage 1. A witness has nothing to consent to: it trains nothing."""
    session, memory = state.session, state.memory
    if state.node not in session.drawn or state.node in session.consents:
        return None
    if memory.answer is None:
        return None if "decide" in state.begun else _run(state, "decide", Decide(session=session))
    body = Consent(answer=memory.answer, reason=memory.reason)
    return _post_once(state, "post-consent", Post(session=session.id, body=body))


def _commit(state: MemberState, now_ms: int) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Stage 2. Train, make the release durable, then show its hash and nothing else.

    In a later round that goes on from the model of the rounds before, unless that is good enough.
    """
    session, memory = state.session, state.memory
    if state.node not in session.members or state.node in session.commits:
        return None
    if not memory.release:
        return _begin_round(state, now_ms)
    if "train" in state.begun:
        return None
    body = CommitModel(
        commitment=commitment(session.id, state.node, memory.nonce, memory.release),
        rows=memory.rows,
        epsilon_micro=memory.epsilon_micro,
        size=len(memory.release),
        round=session.round,
    )
    return _post_once(state, "post-commit", Post(session=session.id, body=body))


def _begin_round(state: MemberState, now_ms: int) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Train, or say that there is no need to; in a later round once the releases that it rests on are here."""
    session = state.session
    earlier = _accepted(state)
    if earlier is None:
        return None if "wait" in state.begun else _run(state, "wait", _retry(state, now_ms))
    if session.round > 1 and session.task.threshold_ppm is not None and state.enough is None:
        return None if "assess" in state.begun else _run(state, "assess", Assess(session=session, reveals=earlier))
    if state.enough:
        return _post_once(state, "post-end", Post(session=session.id, body=EndRounds(round=session.round)))
    if state.node not in session.due or state.memory.nonce or "train" in state.begun:
        return None
    return _run(state, "train", Train(session=session, reveals=earlier))


def _score(state: MemberState, now_ms: int) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Stages 3 and 4. The commit set is closed: open the own commitment, score what others opened."""
    session = state.session
    if state.node not in session.members or state.node in session.scores:
        return None
    if state.node in session.kept_back and "open" not in state.begun:
        opening = OpenReferences(session=session.id, commitment=session.kept_back[state.node])
        return _run(state, "open", opening)
    if "reveal" not in state.begun:
        return _reveal(_hold_own(state), now_ms)
    if state.memory.scores is not None:
        body = PostScores(scores=state.memory.scores, round=session.round)
        return _post_once(state, "post-scores", Post(session=session.id, body=body))
    patience = session.deadline_ms - session.task.score_ms // 4
    if "score" in state.begun or (now_ms < patience and (_misses_one(state) or _unopened(state))):
        return None
    earlier = _accepted(state)
    if earlier is None:
        return None
    held = sorted(author for number, author in state.reveals if number == session.round and author != state.node)
    scoring = ScoreReleases(
        session=session,
        reveals=tuple(state.reveals[session.round, author] for author in held),
        earlier=earlier,
        references=tuple(state.references[keeper] for keeper in sorted(state.references)),
    )
    return _run(state, "score", scoring)


def _reveal(state: MemberState, now_ms: int) -> tuple[MemberState, tuple[MemberEffect, ...]]:
    """Stage 3. From here on the release counts as spent, whoever receives it."""
    effects: list[MemberEffect] = []
    if (state.session.round, state.node) in state.reveals and not state.memory.revealed:
        state = replace(state, memory=replace(state.memory, revealed=True))
        effects.append(Remember(session=state.session.id, memory=state.memory))
    effects.extend(_show(state, state.reveals.get((state.session.round, state.node))))
    effects.append(_retry(state, now_ms))
    return replace(state, begun=state.begun | {"reveal"}), tuple(effects)


def _seal(state: MemberState, key: SigningKey) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Stage 6. Rebuild M from what the ledger accepted, sign the block, and let the leader collect."""
    session = state.session
    if state.node not in session.members or session.judgement is None:
        return None
    state = _hold_own(state)
    if state.model is None:
        reveals = _accepted(state)
        if "combine" in state.begun or reveals is None:
            return None
        return _run(state, "combine", Combine(session=session, reveals=reveals))
    if state.block is None:
        block = expected_block(session, *state.model)
        return replace(state, block=(block, block_digest(block))), ()
    block, signed = state.block
    head = leader(session)
    if state.node not in state.certificate:
        return replace(state, certificate={**state.certificate, state.node: key.sign(signed)}), ()
    if head != state.node:
        sent = f"vote-{session.view}"
        if sent in state.begun:
            return None
        vote = Vote(block=signed, signature=state.certificate[state.node])
        return _run(state, sent, Send(to=head, session=session.id, message=vote))
    if state.votes:
        return _count_votes(state, signed), ()
    if len(state.certificate) < session.quorum:
        return None
    body = SealBlock(block=block, certificate=tuple(sorted(state.certificate.items())))
    return _post_once(state, "post-seal", Post(session=session.id, body=body))


def _count_votes(state: MemberState, signed: bytes) -> MemberState:
    """Check each signature that came once, and keep the valid ones."""
    keys = state.session.keys
    valid = {member: vote for member, vote in state.votes.items() if verify(keys[member], signed, vote)}
    return replace(state, votes={}, certificate={**state.certificate, **valid})


def _close(state: MemberState) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Stage 7, and the end of an aborted session: settle the budget, deliver the model."""
    session = state.session
    if state.settled:
        return _catch_up(state) if session.phase is Phase.SEALED else None
    effects: list[MemberEffect] = []
    if state.memory.answer:
        effects.append(SettleBudget(session=session.id, released=state.memory.revealed))
    if session.phase is Phase.SEALED and leader(session) == state.node and state.model is not None:
        effects.append(DeliverModel(session=session))
    return replace(state, settled=True), tuple(effects)


def _catch_up(state: MemberState) -> tuple[MemberState, tuple[MemberEffect, ...]] | None:
    """Build M after the fact, where the quorum was faster, to be able to serve it."""
    session = state.session
    if state.model is not None or "combine" in state.begun or session.judgement is None:
        return None
    reveals = _accepted(state)
    if state.node not in session.members or reveals is None:
        return None
    return _run(state, "combine", Combine(session=session, reveals=reveals))


def _accepted(state: MemberState) -> tuple[Reveal, ...] | None:
    """The accepted releases of all judged rounds, round by round; None while one of them is missing here."""
    state = _hold_own(state)
    wanted = [
        (number, author)
        for number, each in enumerate(state.session.judged_rounds, start=1)
        for author in each.judgement.accepted
    ]
    if any(place not in state.reveals for place in wanted):
        return None
    return tuple(state.reveals[place] for place in wanted)


def _hold_own(state: MemberState) -> MemberState:
    """Count the own releases among the opened ones, where the ledger has their commitments."""
    for number in range(1, state.session.round + 1):
        own = state.memory.own(number) if (number, state.node) not in state.reveals else None
        if own is not None:
            reveal = Reveal(author=state.node, nonce=own.nonce, release=own.release, round=number)
            state = _keep_reveal(state, reveal)
    return state


def _keep_reveal(state: MemberState, reveal: Reveal) -> MemberState:
    """Keep an opened commitment if it is the one that stands on the ledger."""
    place = (reveal.round, reveal.author)
    posted = state.session.commits_in(reveal.round).get(reveal.author)
    if posted is None or place in state.reveals or posted.size != len(reveal.release):
        return state
    if posted.commitment != commitment(state.session.id, reveal.author, reveal.nonce, reveal.release):
        return state
    return replace(state, reveals={**state.reveals, place: reveal})


def _keep_references(state: MemberState, opened: References) -> tuple[MemberState, tuple[MemberEffect, ...]]:
    """Keep opened references if they are what their keeper was bound to; the keeper shows them to all others."""
    session, keeper = state.session, opened.keeper
    if keeper in state.references or keeper not in session.kept_back:
        return state, ()
    if session.kept_back[keeper] != references_commitment(session.chain, keeper, opened.nonce, opened.documents):
        return state, ()
    state = replace(state, references={**state.references, keeper: opened})
    return state, tuple(_show(state, state.references.get(state.node)))


def _keep_vote(state: MemberState, event: VoteReceived) -> MemberState:
    if event.sender not in state.session.members or event.sender in state.certificate:
        return state
    if len(event.signature) != SIGNATURE_BYTES:
        return state
    return replace(state, votes={**state.votes, event.sender: event.signature})


def _others(state: MemberState) -> tuple[NodeId, ...]:
    return tuple(member for member in state.session.members if member != state.node)


def _missing(state: MemberState, number: int, authors: Iterable[NodeId]) -> tuple[NodeId, ...]:
    return tuple(author for author in authors if (number, author) not in state.reveals)


def _misses_one(state: MemberState) -> bool:
    """Whether a release that was committed to in the current round is not here."""
    return any((state.session.round, author) not in state.reveals for author in state.session.commits)


def _unopened(state: MemberState) -> tuple[NodeId, ...]:
    """Witnesses whose references this node waits for."""
    return tuple(keeper for keeper in state.session.kept_back if keeper not in state.references)


def _show(state: MemberState, own: Reveal | References | None) -> Iterator[Send]:
    """Open to all members what this node has bound itself to, if it has."""
    if own is not None:
        for member in _others(state):
            yield Send(to=member, session=state.session.id, message=own)


def _answer_reveals(state: MemberState, asked: RevealAsked) -> tuple[Send, ...]:
    """Pass on what is held; only to members, and only once the commit set of that round is closed."""
    session = state.session
    closed = asked.round < session.round or session.phase in (Phase.SCORE, Phase.SEAL)
    if asked.sender not in session.members or not session.is_open or not closed:
        return ()
    releases = _hold_own(state).reveals
    places = [(asked.round, author) for author in asked.authors if (asked.round, author) in releases]
    held: list[Reveal | References] = [releases[place] for place in places]
    held += [state.references[keeper] for keeper in asked.keepers if keeper in state.references]
    return tuple(Send(to=asked.sender, session=session.id, message=message) for message in held)


def _may_have_model(state: MemberState, sender: NodeId) -> bool:
    session = state.session
    return session.phase is Phase.SEALED and sender == session.requester and state.model is not None


def _retry(state: MemberState, now_ms: int) -> WakeAt:
    return WakeAt(session=state.session.id, at_ms=now_ms + RETRY_MS)


def _repeat(state: MemberState, now_ms: int) -> tuple[MemberState, tuple[MemberEffect, ...]]:
    """Ask for what is missing, vote again, move an overdue session on."""
    session = state.session
    if session.phase in (Phase.SEALED, Phase.ABORTED):
        return state, ()
    effects: list[MemberEffect] = [_retry(state, now_ms)]
    if now_ms > session.deadline_ms + TICK_GRACE_MS:
        effects.append(Post(session=session.id, body=Tick(view=session.view, phase=session.phase)))
    asks = tuple(_asks(_hold_own(state))) if state.node in session.members else ()
    if asks:
        state = replace(state, asked=state.asked + 1)
        effects.extend(_questions(state, asks))
    if session.phase is Phase.SEAL:
        state = replace(state, begun=state.begun - {f"vote-{session.view}"})
    return state, tuple(effects)


def _asks(state: MemberState) -> Iterator[AskReveal]:
    """A question for each round of which something that was opened is missing here."""
    session = state.session
    wanted = {number: each.judgement.accepted for number, each in enumerate(session.judged_rounds, start=1)}
    if session.phase is Phase.SCORE:
        wanted[session.round] = tuple(session.commits)
    for number, authors in wanted.items():
        missing = _missing(state, number, authors)
        unopened = _unopened(state) if number == session.round and session.phase is Phase.SCORE else ()
        if missing or unopened:
            yield AskReveal(authors=missing, round=number, keepers=unopened)


def _questions(state: MemberState, asks: Iterable[AskReveal]) -> Iterator[Send]:
    """Ask whoever is to open it; the 2nd, 4th, 8th, ... time everybody, since others may hold what was opened to them.

    What nobody holds would otherwise be asked for by all of all, again and again, until the stage ends.
    """
    times = state.asked
    if times > 1 and times & (times - 1) == 0:
        yield from (Send(to=member, session=state.session.id, message=ask) for ask in asks for member in _others(state))
        return
    for ask in asks:
        for author in ask.authors:
            yield Send(to=author, session=state.session.id, message=AskReveal(authors=(author,), round=ask.round))
        for keeper in ask.keepers:
            question = AskReveal(authors=(), round=ask.round, keepers=(keeper,))
            yield Send(to=keeper, session=state.session.id, message=question)
