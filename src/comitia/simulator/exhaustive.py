"""Every run there is of one small session: all orders of all events, by breadth, over the real step functions.

Three honest members, two of them providers and one a witness, and one provider that lies; at most one crash. A state
is the ledger's record, each member's state, what has been posted, what has been sent. From each state follow: any
post reaches the ledger; what is on its way to a member reaches it, or never; a stage runs out of time; a member loses
patience; the liar says what it likes, to the ledger or to a member; a member crashes between any two of its effects and
comes back with its memory. A new stage is seen by all at once: members that lag are the seeded worlds' business. Times
are one value for in time and one for too late, so the states are finite.

Nothing is kept that can change nothing: what the liar says arrives when it says it, since it may say it at any time;
posts of a stage that is over are dropped, after it was seen that none is of another stage than its author is in; so are
letters to a member that holds them and cannot crash any more. An end is an end, whatever was on its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from comitia.consensus.score_sheet import Score
from comitia.core.codec import digest
from comitia.core.crypto import SigningKey
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId, SessionId
from comitia.ledger import session as sessions
from comitia.ledger.session import Phase, Session, block_digest, commitment, expected_block, leader
from comitia.ledger.transactions import CommitModel, Consent, PostScores, SealBlock, Task, Transaction
from comitia.roles import member
from comitia.roles.effects import Combine, Decide, MemberEffect, Post, Remember, ScoreReleases, Send, Train
from comitia.roles.events import (
    Combined,
    Decided,
    MemberEvent,
    RevealReceived,
    Scored,
    SessionAdvanced,
    Trained,
    VoteReceived,
)
from comitia.roles.messages import Reveal, Vote

HONEST: Final = (NodeId("a"), NodeId("b"), NodeId("w"))
WITNESS: Final = NodeId("w")
LIAR: Final = NodeId("z")
ID: Final = SessionId(digest(b"session"))
IN_TIME: Final = 10_000
ENDED: Final = (Phase.SEALED, Phase.ABORTED)

Said = tuple[NodeId, Transaction]
Letter = tuple[NodeId, NodeId, Reveal | Vote]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One state of everything.

    Attributes
    ----------
    session : the ledger's record.
    members : state of each honest member, in the order of `HONEST`.
    posts : all that was ever posted, by author; it can reach the ledger at any later time.
    letters : all that was ever sent off the ledger; it can arrive at any later time, or never.
    crashes : how many crashes may still come.
    """

    session: Session
    members: tuple[member.MemberState, ...]
    posts: frozenset[Said] = frozenset()
    letters: frozenset[tuple[NodeId, NodeId, str]] = frozenset()
    crashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What a search has come to.

    Attributes
    ----------
    states, moves : how many different ones there are.
    ends : states in which the session has ended, by how.
    broken : sentences that some state breaks, with the moves that lead there.
    """

    states: int
    moves: int
    ends: dict[str, int]
    broken: tuple[str, ...]


class _Key(SigningKey):
    """A key that makes each signature once."""

    def sign(self, message: bytes) -> bytes:
        return _signed(self.public, message)


_KEYS: Final = {node: SigningKey.from_bytes(digest(node.encode())) for node in (*HONEST, LIAR)}


@lru_cache(maxsize=1 << 16)
def _signed(public: bytes, message: bytes) -> bytes:
    owner = next(own for own in _KEYS.values() if own.public == public)
    return owner.sign(message)


_REMEMBERING: Final = {node: _Key.from_bytes(own.to_bytes()) for node, own in _KEYS.items()}


def beginning(*, crashes: int) -> Situation:
    """A session that has just been opened, of which nobody knows yet."""
    task = Task(
        codebook=digest(b"codebook"),
        epsilon_micro=10**6,
        delta_pico=0,
        providers_min=2,
        providers_max=3,
        accept_unverified=True,
        reuse=False,
        consent_ms=IN_TIME,
        commit_ms=IN_TIME,
        score_ms=IN_TIME,
        seal_ms=IN_TIME,
        purpose="",
        queries=bytes(32),
    )
    record = Session(
        id=ID,
        chain="chain",
        requester=NodeId("r"),
        task=task,
        epoch=0,
        anchor_height=1,
        anchor=bytes(32),
        opened_ms=0,
        deadline_ms=IN_TIME,
        drawn=(NodeId("a"), NodeId("b"), LIAR),
        witnesses=(WITNESS,),
        keys={node: own.public for node, own in _KEYS.items()},
    )
    return Situation(
        session=record,
        members=tuple(member.MemberState(node=node, session=record) for node in HONEST),
        crashes=crashes,
    )


class Search:
    """All situations that follow from one.

    Parameters
    ----------
    liar : whether the fourth member lies; else it is only silent.
    crashes : how many crashes may come.
    most : stop, and say so, after so many states; 0 for never.
    """

    def __init__(self, *, liar: bool, crashes: int, most: int = 0) -> None:
        self._liar = liar
        self._crashes = crashes
        self._most = most
        self._messages: dict[str, Reveal | Vote] = {}
        self._names: dict[object, int] = {}

    def run(self, progress: Callable[[int], None] = lambda _: None) -> Explored:
        """Visit every situation once."""
        start = beginning(crashes=self._crashes)
        for place, state in enumerate(start.members):
            start = self._done(start, place, *self._work(state, (SessionAdvanced(session=start.session),), 0))
        seen = {self._key(start)}
        waiting = deque([start])
        moves, ends = 0, {phase.value: 0 for phase in ENDED}
        broken: list[str] = []
        while waiting:
            situation = waiting.popleft()
            if situation.session.phase in ENDED:
                ends[situation.session.phase.value] += 1
            following = list(self._moves(situation))
            if not following and situation.session.is_open:
                broken.append(f"liveness: nothing can happen any more in {situation.session.phase}")
            for after in following:
                moves += 1
                broken.extend(text for text in _broken(after, self._messages) if text not in broken)
                name = self._key(after)
                if name not in seen:
                    seen.add(name)
                    waiting.append(after)
            if len(seen) % 1_000 == 0:
                progress(len(seen))
            if self._most and len(seen) >= self._most:
                broken.append(f"unfinished: stopped after {len(seen)} states")
                break
        return Explored(states=len(seen), moves=moves, ends=ends, broken=tuple(broken))

    # --- what can happen ----------------------------------------------------------------------------

    def _moves(self, situation: Situation) -> Iterator[Situation]:
        session = situation.session
        if not session.is_open:
            return
        for author, body in situation.posts:
            yield from self._post(situation, author, body)
        yield from self._moved(situation, sessions.advance(session, IN_TIME + 1))
        if self._liar:
            yield from self._lies(situation)
        for place, state in enumerate(situation.members):
            if situation.crashes:
                yield self._crashed(situation, place, state, ())
            if state.session.phase is Phase.SCORE and state.memory.scores is None:
                yield from self._feel(situation, place, SessionAdvanced(session=state.session), patience=False)
            yield from self._letters(situation, place, state)

    def _moved(self, situation: Situation, session: Session) -> Iterator[Situation]:
        """The ledger's record is another; where its stage is, every member sees it, and one may crash over it."""
        before = situation.session
        situation = replace(situation, session=_plain(session))
        if (before.phase, before.view) == (session.phase, session.view):
            yield situation
            return
        if before.phase is not session.phase:
            situation = replace(situation, posts=frozenset())
        news = SessionAdvanced(session=_as_opened(situation.session))
        felt = [self._work(state, (news,), 0) for state in situation.members]
        yield self._all_done(situation, felt, -1)
        if situation.crashes:
            for place, (_, effects) in enumerate(felt):
                for count in range(len(effects) + 1):
                    after = self._crashed(situation, place, situation.members[place], effects[:count], news)
                    yield self._all_done(after, felt, place)

    def _all_done(
        self,
        situation: Situation,
        felt: Sequence[tuple[member.MemberState, tuple[MemberEffect, ...]]],
        but: int,
    ) -> Situation:
        for place, (state, effects) in enumerate(felt):
            if place != but:
                situation = self._done(situation, place, state, effects)
        return situation

    def _letters(self, situation: Situation, place: int, state: member.MemberState) -> Iterator[Situation]:
        """All that is on its way to a member arrives; what was sent later comes later, or never."""
        events: list[MemberEvent] = []
        for sender, to, name in sorted(situation.letters):
            message = self._messages[name]
            if to != state.node:
                continue
            if isinstance(message, Reveal):
                if (message.round, message.author) not in state.reveals and message.author in state.session.commits:
                    events.append(RevealReceived(reveal=message))
            elif sender not in state.certificate and sender not in state.votes:
                events.append(VoteReceived(sender=sender, block=message.block, signature=message.signature))
        if events:
            yield from self._feel(situation, place, *events)

    def _post(self, situation: Situation, author: NodeId, body: Transaction) -> Iterator[Situation]:
        try:
            after = sessions.step(situation.session, author, body, IN_TIME)
        except ProtocolError:
            return
        yield from self._moved(situation, after)

    def _feel(
        self, situation: Situation, place: int, *events: MemberEvent, patience: bool = True
    ) -> Iterator[Situation]:
        """A member takes events in, and does all of what follows, or crashes after some of it."""
        before = situation.members[place]
        state, effects = self._work(before, events, 0 if patience else IN_TIME)
        if state == before:
            return
        yield self._done(situation, place, state, effects)
        if situation.crashes:
            for count in range(len(effects) + 1):
                yield self._crashed(situation, place, before, effects[:count])

    def _work(
        self, state: member.MemberState, news: Sequence[MemberEvent], now: int
    ) -> tuple[member.MemberState, tuple[MemberEffect, ...]]:
        """Step until nothing is left to compute; the computing itself is done at once."""
        done: list[MemberEffect] = []
        events = deque(news)
        while events:
            state, effects = member.step(state, events.popleft(), _REMEMBERING[state.node], now)
            for effect in effects:
                match effect:
                    case Decide():
                        events.append(Decided(answer=True, reason=""))
                    case Train():
                        release = state.node.encode()
                        events.append(Trained(release=release, nonce=bytes(32), rows=10, epsilon_micro=10**6))
                    case ScoreReleases(session=record, reveals=reveals):
                        held = {reveal.author for reveal in reveals}
                        events.append(Scored(scores=_sheet(record, state.node, held)))
                    case Combine(reveals=reveals):
                        model = digest(b"".join(reveal.release for reveal in reveals))
                        events.append(Combined(model=model, size=1))
                    case _:
                        done.append(effect)
        return state, tuple(done)

    def _done(
        self, situation: Situation, place: int, state: member.MemberState, effects: tuple[MemberEffect, ...]
    ) -> Situation:
        members = (*situation.members[:place], state, *situation.members[place + 1 :])
        return self._seen(replace(situation, members=members), state.node, effects)

    def _crashed(
        self,
        situation: Situation,
        place: int,
        before: member.MemberState,
        effects: tuple[MemberEffect, ...],
        news: SessionAdvanced | None = None,
    ) -> Situation:
        """What was remembered is durable, what was sent is out, all else is gone."""
        memory = before.memory
        for effect in effects:
            if isinstance(effect, Remember):
                memory = effect.memory
        seen = news or SessionAdvanced(session=before.session)
        again = member.MemberState(node=before.node, session=seen.session, memory=memory)
        again, more = self._work(again, (seen,), 0)
        after = self._seen(replace(situation, crashes=situation.crashes - 1), before.node, effects)
        return self._done(after, place, again, more)

    def _seen(self, situation: Situation, node: NodeId, effects: tuple[MemberEffect, ...]) -> Situation:
        posts, letters = set(situation.posts), set(situation.letters)
        for effect in effects:
            if isinstance(effect, Post):
                posts.add((node, effect.body))
            elif isinstance(effect, Send) and isinstance(effect.message, Reveal | Vote):
                letters.add((node, effect.to, self._name(effect.message)))
        return replace(situation, posts=frozenset(posts), letters=frozenset(letters))

    # --- the liar -----------------------------------------------------------------------------------

    def _lies(self, situation: Situation) -> Iterator[Situation]:
        """Yes or no, a commitment, its release to one member, a score sheet, a vote, a block; what changes nothing is
        no move."""
        session = situation.session
        match session.phase:
            case Phase.CONSENT:
                yield from self._post(situation, LIAR, Consent(answer=False))
                yield from self._post(situation, LIAR, Consent(answer=True))
            case Phase.COMMIT:
                hidden = commitment(ID, LIAR, bytes(32), LIAR.encode())
                body = CommitModel(commitment=hidden, rows=10**6, epsilon_micro=10**6, size=1)
                yield from self._post(situation, LIAR, body)
            case Phase.SCORE:
                reveal = Reveal(author=LIAR, nonce=bytes(32), release=LIAR.encode())
                for place in range(len(HONEST)):
                    yield from self._feel(situation, place, RevealReceived(reveal=reveal))
                for held in (set(session.commits), set()):
                    yield from self._post(situation, LIAR, PostScores(scores=_sheet(session, LIAR, held)))
            case Phase.SEAL:
                yield from self._lie_about_block(situation)

    def _lie_about_block(self, situation: Situation) -> Iterator[Situation]:
        session = situation.session
        assert session.judgement is not None
        model = digest(b"".join(author.encode() for author in session.judgement.accepted))
        right, wrong = expected_block(session, model, 1), expected_block(session, bytes(32), 1)
        head = leader(session)
        for block in (right, wrong):
            signed = block_digest(block)
            signature = _signed(_KEYS[LIAR].public, signed)
            if head != LIAR:
                vote = VoteReceived(sender=LIAR, block=signed, signature=signature)
                yield from self._feel(situation, HONEST.index(head), vote)
            certificate = {LIAR: signature}
            for sender, _, letter in situation.letters:
                seen = self._messages[letter]
                if isinstance(seen, Vote) and seen.block == signed:
                    certificate[sender] = seen.signature
            body = SealBlock(block=block, certificate=tuple(sorted(certificate.items())))
            yield from self._post(situation, LIAR, body)

    # --- names of things, to tell situations apart -----------------------------------------------------

    def _name(self, message: Reveal | Vote) -> str:
        name = repr(message)
        self._messages[name] = message
        return name

    def _key(self, situation: Situation) -> tuple[object, ...]:
        session = situation.session
        if not session.is_open:
            return (self._number(_session_key(session)),)
        return (
            self._number(_session_key(session)),
            tuple(self._number(_member_key(state)) for state in situation.members),
            self._number(frozenset(_post_key(author, body) for author, body in situation.posts)),
            self._number(frozenset(self._awaited(situation))),
            situation.crashes,
        )

    def _awaited(self, situation: Situation) -> Iterator[tuple[object, ...]]:
        """The letters that can still change something."""
        states = {state.node: state for state in situation.members}
        for sender, to, name in situation.letters:
            message, reader = self._messages[name], states.get(to)
            if reader is None:
                continue
            if isinstance(message, Vote):
                if situation.crashes or sender not in reader.certificate:
                    yield sender, to
            elif message.author in _wanted(reader.session) and (
                situation.crashes or (message.round, message.author) not in reader.reveals
            ):
                yield sender, to, message.author

    def _number(self, thing: object) -> int:
        return self._names.setdefault(thing, len(self._names))


def _session_key(record: Session) -> tuple[object, ...]:
    """What tells records apart. Once the scores are closed that is the judgement they have led to: the sheets are in
    the block by their digest only, into which nobody looks."""
    sheets = tuple(record.scores.items()) if record.judgement is None else record.judgement
    return (
        record.phase,
        tuple(record.consents.items()),
        tuple(record.commits.items()),
        sheets,
        record.view,
        record.block is None,
    )


def _member_key(state: member.MemberState) -> tuple[object, ...]:
    """What tells members apart, of what its stage still looks at. Whoever has signed has signed the one block that
    follows, see `_broken`."""
    sealing = state.session.phase is Phase.SEAL
    wanted = _wanted(state.session)
    return (
        _session_key(state.session),
        replace(state.memory, scores=None) if sealing else state.memory,
        tuple(sorted(place for place in state.reveals if place[1] in wanted)),
        state.model is None,
        tuple(sorted(state.votes)),
        tuple(sorted(state.certificate)),
        frozenset(work for work in state.begun if not sealing or work.startswith(("combine", "vote", "post-seal"))),
        state.settled,
    )


def _post_key(author: NodeId, body: Transaction) -> tuple[object, ...]:
    return (author, tuple(signer for signer, _ in body.certificate) if isinstance(body, SealBlock) else body)


def _wanted(record: Session) -> Sequence[NodeId]:
    """Whose releases a stage still needs."""
    return tuple(record.commits) if record.judgement is None else record.judgement.accepted


def _plain(record: Session) -> Session:
    """The record with its times made alike."""
    return replace(record, deadline_ms=IN_TIME, closed_ms=0)


def _as_opened(record: Session) -> Session:
    """The record as it was when its stage began: what others post meanwhile moves no honest member."""
    match record.phase:
        case Phase.COMMIT:
            return replace(record, commits={})
        case Phase.SCORE:
            return replace(record, scores={})
        case _:
            return record


def _sheet(record: Session, judge: NodeId, held: set[NodeId]) -> tuple[Score, ...]:
    return tuple(
        Score(author=author, received=True, signal_micro=9_000_000, expected_micro=10_000_000)
        if author in held
        else Score(author=author, received=False)
        for author in sorted(record.commits)
        if author != judge
    )


_OF_STAGE: Final = {
    Phase.CONSENT: ("Consent",),
    Phase.COMMIT: ("CommitModel",),
    Phase.SCORE: ("PostScores",),
    Phase.SEAL: ("SealBlock",),
}


class _Judged:
    """A judged session, equal to another where the same block follows from both."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._place = (session.members, tuple(session.commits.items()), session.scores_digest, session.judgement)

    def __hash__(self) -> int:
        return hash(self._place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Judged) and self._place == other._place


@lru_cache(maxsize=1 << 12)
def _only_block(judged: _Judged) -> bytes:
    """Digest of the block that follows."""
    session = judged.session
    assert session.judgement is not None
    model = digest(b"".join(author.encode() for author in session.judgement.accepted))
    return block_digest(expected_block(session, model, 1))


def _broken(situation: Situation, messages: dict[str, Reveal | Vote]) -> Iterator[str]:
    """I1-I5 and I11, on one situation."""
    session = situation.session
    said: dict[tuple[NodeId, str], Transaction] = {}
    for author, body in situation.posts:
        kind = type(body).__name__
        if kind not in _OF_STAGE.get(session.phase, ()):
            yield f"i11: {author} says {kind} in {session.phase}"
        if kind != "SealBlock" and said.setdefault((author, kind), body) != body:
            yield f"i3: {author} says two different things as {kind}"
    for sender, _, name in situation.letters:
        message = messages[name]
        early = session.phase in (Phase.CONSENT, Phase.COMMIT)
        if isinstance(message, Reveal) and early:
            yield f"i2: {sender} shows its release in {session.phase}"
        if isinstance(message, Vote) and message.block != _only_block(_Judged(session)):
            yield f"i5: {sender} signs another block than the one that follows"
    if session.judgement is not None and not session.commits.keys() >= set(session.judgement.accepted):
        yield "i4: a model was accepted that nobody committed to"
    if session.block is not None:
        wanted = digest(b"".join(author.encode() for author in session.block.accepted))
        if session.block.model != wanted:
            yield "i1, i5: a block was sealed whose model does not follow from the accepted releases"
