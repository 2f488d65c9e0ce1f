"""A committee member as a pure function, driven through sessions on paper. Names as in docs/concepts/session.md."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import CODEBOOK, MODEL, MODEL_SIZE, World, key, node

from comitia.consensus.score_sheet import Score
from comitia.core.ids import SessionId
from comitia.ledger.session import (
    Phase,
    Session,
    block_digest,
    commitment,
    expected_block,
    references_commitment,
)
from comitia.ledger.transactions import BindReferences, CommitModel, Consent, PostScores, SealBlock, Tick
from comitia.roles import member
from comitia.roles.effects import (
    Combine,
    Decide,
    DeliverModel,
    OpenReferences,
    Post,
    Remember,
    ScoreReleases,
    Send,
    SettleBudget,
    Train,
)
from comitia.roles.events import (
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

TRAINED = Trained(release=b"a", nonce=bytes(32), rows=100, epsilon_micro=10**6)


class Actor:
    """One member and what it wants done."""

    def __init__(self, world: World, name: str, session: SessionId, memory: Memory | None = None) -> None:
        self.world, self.name, self.id = world, name, session
        self.state = member.MemberState(node=node(name), session=self.record, memory=memory or Memory())

    @property
    def record(self) -> Session:
        return self.world.session(self.id)

    def feel(self, event: MemberEvent) -> list[object]:
        self.state, effects = member.step(self.state, event, key(self.name), self.world.now_ms)
        return list(effects)

    def look(self) -> list[object]:
        return self.feel(SessionAdvanced(session=self.record))


def kinds(effects: list[object]) -> list[type]:
    return [type(effect) for effect in effects]


def only(effects: list[object], kind: type) -> list[object]:
    return [effect for effect in effects if isinstance(effect, kind)]


def posted(effects: list[object], kind: type) -> list[object]:
    return [effect.body for effect in effects if isinstance(effect, Post) and isinstance(effect.body, kind)]


def opened(world: World, session: SessionId, name: str) -> Reveal:
    return Reveal(author=node(name), nonce=bytes(32), release=name.encode())


def test_a_provider_decides_trains_and_commits_in_this_order(world: World) -> None:
    actor = Actor(world, "a", world.open())
    assert kinds(actor.look()) == [Decide]
    assert actor.look() == []
    effects = actor.feel(Decided(answer=True, reason=""))
    assert kinds(effects) == [Remember, Post]
    assert posted(effects, Consent) == [Consent(answer=True)]
    world.consent(actor.id)
    assert kinds(actor.look()) == [Train]
    effects = actor.feel(TRAINED)
    assert kinds(effects) == [Remember, Post]
    (body,) = posted(effects, CommitModel)
    assert body.commitment == commitment(actor.id, node("a"), bytes(32), b"a")  # type: ignore[attr-defined]


def test_i2_nothing_is_revealed_before_the_commit_set_is_closed(world: World) -> None:
    actor = Actor(world, "a", world.open())
    actor.feel(Decided(answer=True, reason=""))
    world.consent(actor.id)
    actor.look()
    actor.feel(TRAINED)
    world.commit(actor.id, "a", "b")
    assert not only(actor.look(), Send)
    assert not only(actor.feel(RevealAsked(sender=node("b"), authors=(node("a"),))), Send)
    assert not only(actor.feel(Woke(now_ms=world.now_ms)), Send)
    world.commit(actor.id, "c")
    sent = only(actor.look(), Send)
    assert {send.to for send in sent} == {node(name) for name in ("b", "c", "super")}  # type: ignore[attr-defined]


def test_i7_the_release_counts_as_shown_before_the_first_bytes_leave(world: World) -> None:
    actor = in_score(world)
    effects = actor.look()
    first_send = kinds(effects).index(Send)
    remembered = [e for e in effects[:first_send] if isinstance(e, Remember) and e.memory.revealed]
    assert remembered


def in_score(world: World, name: str = "a") -> Actor:
    actor = Actor(world, name, world.open())
    if name != "super":
        actor.look()
        actor.feel(Decided(answer=True, reason=""))
    world.consent(actor.id)
    actor.look()
    if name != "super":
        actor.feel(replace(TRAINED, release=name.encode()))
    world.commit(actor.id)
    return actor


def test_scores_are_asked_for_once_all_releases_are_here(world: World) -> None:
    actor = in_score(world)
    actor.look()
    assert not only(actor.feel(RevealReceived(reveal=opened(world, actor.id, "b"))), ScoreReleases)
    (asked,) = only(actor.feel(RevealReceived(reveal=opened(world, actor.id, "c"))), ScoreReleases)
    assert {reveal.author for reveal in asked.reveals} == {node("b"), node("c")}  # type: ignore[attr-defined]


def test_a_reveal_that_is_not_what_was_committed_to_does_not_count(world: World) -> None:
    actor = in_score(world)
    actor.look()
    forged = replace(opened(world, actor.id, "b"), release=b"other")
    actor.feel(RevealReceived(reveal=forged))
    actor.feel(RevealReceived(reveal=replace(opened(world, actor.id, "b"), author=node("c"))))
    assert node("b") not in actor.state.reveals
    assert node("c") not in actor.state.reveals


def test_who_stays_silent_is_reported_as_not_received_in_time(world: World) -> None:
    actor = in_score(world)
    actor.look()
    actor.feel(RevealReceived(reveal=opened(world, actor.id, "b")))
    world.now_ms = actor.record.deadline_ms - 100
    assert only(actor.feel(Woke(now_ms=world.now_ms)), ScoreReleases)


def test_i3_a_node_never_posts_two_different_sheets(world: World) -> None:
    actor = in_score(world)
    actor.look()
    score = Score(author=node("b"), received=True)
    (first,) = posted(actor.feel(Scored(scores=(score,))), PostScores)
    assert not posted(actor.feel(Scored(scores=())), PostScores)
    again = Actor(world, "a", actor.id, memory=actor.state.memory)
    (second,) = posted(again.look(), PostScores)
    assert first == second


def test_i3_a_restarted_member_commits_to_the_same_release(world: World) -> None:
    session = world.open()
    actor = Actor(world, "a", session)
    actor.feel(Decided(answer=True, reason=""))
    world.consent(session)
    actor.look()
    (first,) = posted(actor.feel(TRAINED), CommitModel)
    again = Actor(world, "a", session, memory=actor.state.memory)
    effects = again.look()
    assert not only(effects, Train)
    assert posted(effects, CommitModel) == [first]


@pytest.mark.parametrize("stranger", ["asker", "nobody"])
def test_only_members_get_releases_passed_on(world: World, stranger: str) -> None:
    actor = in_score(world)
    actor.look()
    authors = (node("a"),)
    assert only(actor.feel(RevealAsked(sender=node("b"), authors=authors)), Send)
    assert not only(actor.feel(RevealAsked(sender=node(stranger), authors=authors)), Send)


def to_seal(world: World, name: str) -> Actor:
    actor = in_score(world, name)
    actor.look()
    for other in world.providers:
        if other != name:
            actor.feel(RevealReceived(reveal=opened(world, actor.id, other)))
    world.score(actor.id)
    (work,) = only(actor.look(), Combine)
    assert [reveal.author for reveal in work.reveals] == sorted(node(n) for n in world.providers)  # type: ignore[attr-defined]
    return actor


def test_members_send_the_leader_their_signature_over_the_block_they_computed(world: World) -> None:
    actor = to_seal(world, "super")
    leads = world.leader_name(actor.id)
    (sent,) = only(actor.feel(Combined(model=MODEL, size=MODEL_SIZE)), Send)
    signed = block_digest(expected_block(actor.record, MODEL, MODEL_SIZE))
    assert sent.to == node(leads)  # type: ignore[attr-defined]
    assert sent.message == Vote(block=signed, signature=key("super").sign(signed))  # type: ignore[attr-defined]


def test_the_leader_seals_with_a_quorum_of_valid_signatures_and_delivers(world: World) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    leads = world.leader_name(session)
    memory = Memory(answer=True, release=leads.encode(), nonce=bytes(32), rows=100, revealed=True)
    actor = Actor(world, leads, session, memory=memory)
    actor.look()
    for other in world.providers:
        actor.feel(RevealReceived(reveal=opened(world, session, other)))
    signed = block_digest(expected_block(actor.record, MODEL, MODEL_SIZE))
    others = [name for name in (*world.providers, "super") if name != leads]
    assert not posted(actor.feel(Combined(model=MODEL, size=MODEL_SIZE)), SealBlock)
    assert not posted(actor.feel(VoteReceived(sender=node(others[0]), block=signed, signature=bytes(64))), SealBlock)
    assert not posted(actor.feel(VoteReceived(sender=node("asker"), block=signed, signature=bytes(64))), SealBlock)
    good = [VoteReceived(sender=node(n), block=signed, signature=key(n).sign(signed)) for n in others]
    assert not posted(actor.feel(good[1]), SealBlock)
    (seal,) = posted(actor.feel(good[2]), SealBlock)
    world.post(leads, seal, actor.record)  # type: ignore[arg-type]
    assert actor.record.phase is Phase.SEALED
    effects = actor.look()
    assert kinds(effects) == [SettleBudget, DeliverModel]
    assert effects[0] == SettleBudget(session=session, released=True)
    assert actor.look() == []
    assert only(actor.feel(ModelAsked(sender=node("asker"))), DeliverModel)
    assert not only(actor.feel(ModelAsked(sender=node("b"))), DeliverModel)


def test_a_reservation_is_given_back_where_nothing_was_shown(world: World) -> None:
    session = world.open()
    actor = Actor(world, "a", session)
    actor.feel(Decided(answer=True, reason=""))
    world.consent(session)
    actor.look()
    actor.feel(TRAINED)
    world.now_ms = actor.record.deadline_ms + 1
    world.post("super", Tick(phase=Phase.COMMIT, view=0), actor.record)
    assert actor.record.phase is Phase.ABORTED
    assert SettleBudget(session=session, released=False) in actor.look()


def test_a_member_moves_an_overdue_session_on_and_asks_for_what_is_missing(world: World) -> None:
    actor = in_score(world)
    actor.look()
    assert {author for ask in asked(actor, "a", "b", "c", "super").values() for author in ask} == {"b", "c"}
    world.now_ms = actor.record.deadline_ms + member.TICK_GRACE_MS + 1
    assert posted(actor.feel(Woke(now_ms=world.now_ms)), Tick) == [Tick(phase=Phase.SCORE, view=0)]


def asked(actor: Actor, *names: str) -> dict[str, list[str]]:
    """Whose releases a member asks for when it wakes, by who is asked."""
    by_id = {node(name): name for name in names}
    sends = [e for e in actor.feel(Woke(now_ms=actor.world.now_ms)) if isinstance(e, Send)]
    assert all(isinstance(send.message, AskReveal) for send in sends)
    questions = [(by_id[send.to], send.message) for send in sends if isinstance(send.message, AskReveal)]
    return {to: sorted(by_id[author] for author in ask.authors) for to, ask in questions}


def test_what_is_missing_is_asked_of_its_author_and_now_and_then_of_everybody(world: World) -> None:
    actor = in_score(world)
    actor.look()
    of_authors = {"b": ["b"], "c": ["c"]}
    of_all = {name: ["b", "c"] for name in ("b", "c", "super")}
    rounds = [asked(actor, "a", "b", "c", "super") for _ in range(9)]
    assert [number for number, each in enumerate(rounds, start=1) if each == of_all] == [2, 4, 8]
    assert all(each in (of_all, of_authors) for each in rounds)
    actor.feel(RevealReceived(reveal=opened(world, actor.id, "b")))
    assert asked(actor, "a", "b", "c", "super") == {"c": ["c"]}


def test_a_member_that_misses_nothing_sends_nothing_again(world: World) -> None:
    actor = in_score(world)
    actor.look()
    for name in ("b", "c"):
        actor.feel(RevealReceived(reveal=opened(world, actor.id, name)))
    assert asked(actor, "a", "b", "c", "super") == {}


def test_only_accepted_releases_are_asked_for_once_the_scores_are_closed(world: World) -> None:
    actor = in_score(world)
    actor.look()
    world.score(actor.id)
    assert actor.record.phase is Phase.SEAL and actor.record.judgement is not None
    judgement = replace(actor.record.judgement, accepted=(node("a"), node("b")))
    actor.feel(SessionAdvanced(session=replace(actor.record, judgement=judgement)))
    assert asked(actor, "a", "b", "c", "super") == {"b": ["b"]}


def test_events_that_come_twice_change_nothing(world: World) -> None:
    actor = in_score(world)
    actor.look()
    event = RevealReceived(reveal=opened(world, actor.id, "b"))
    actor.feel(event)
    before = actor.state
    assert actor.feel(event) == []
    assert actor.look() == []
    assert actor.state == before


# --- references that witnesses keep back ------------------------------------------------------------------

KEPT = References(keeper=node("super"), nonce=b"n" * 32, documents=b"documents")


@pytest.fixture
def keeping(world: World) -> World:
    bound = references_commitment(world.genesis.chain, KEPT.keeper, KEPT.nonce, KEPT.documents)
    world.post("super", BindReferences(codebook=CODEBOOK, commitments=(bound,)))
    return world


def shown(effects: list[object]) -> set[str]:
    """To whom references were sent."""
    return {e.to for e in effects if isinstance(e, Send) and isinstance(e.message, References)}


def test_a_witness_opens_once_the_commitments_are_closed_to_all_members(keeping: World) -> None:
    actor = Actor(keeping, "super", keeping.open())
    keeping.consent(actor.id)
    assert not only(actor.look(), OpenReferences)
    assert not shown(actor.feel(ReferencesOpened(references=KEPT)))
    keeping.commit(actor.id)
    (wanted,) = only(actor.look(), OpenReferences)
    assert wanted.commitment == actor.record.kept_back[node("super")]  # type: ignore[attr-defined]
    effects = actor.feel(ReferencesOpened(references=KEPT))
    assert shown(effects) == {node(name) for name in "abc"}
    assert not shown(actor.feel(ReferencesOpened(references=KEPT)))
    assert not shown(actor.feel(Woke(now_ms=keeping.now_ms)))
    assert shown(actor.feel(RevealAsked(sender=node("b"), authors=(), keepers=(KEPT.keeper,)))) == {node("b")}


def test_a_member_scores_once_references_are_here_too(keeping: World) -> None:
    actor = in_score(keeping)
    actor.look()
    for name in ("b", "c"):
        assert not only(actor.feel(RevealReceived(reveal=opened(keeping, actor.id, name))), ScoreReleases)
    (asked,) = only(actor.feel(ReferencesOpened(references=KEPT)), ScoreReleases)
    assert asked.references == (KEPT,)  # type: ignore[attr-defined]


def test_a_member_asks_for_what_it_lacks_and_scores_without_it_in_time(keeping: World) -> None:
    actor = in_score(keeping)
    actor.look()
    for name in ("b", "c"):
        actor.feel(RevealReceived(reveal=opened(keeping, actor.id, name)))
    asked = [send.message for send in only(actor.feel(Woke(now_ms=keeping.now_ms)), Send)]  # type: ignore[attr-defined]
    assert AskReveal(authors=(), keepers=(node("super"),)) in asked
    keeping.now_ms = actor.record.deadline_ms - 10
    (scoring,) = only(actor.feel(Woke(now_ms=keeping.now_ms)), ScoreReleases)
    assert scoring.references == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("changes", [{"documents": b"others"}, {"nonce": bytes(32)}, {"keeper": node("b")}])
def test_references_that_were_not_bound_do_not_count(keeping: World, changes: dict[str, object]) -> None:
    actor = in_score(keeping)
    actor.look()
    actor.feel(ReferencesOpened(references=replace(KEPT, **changes)))
    assert actor.state.references == {}


def test_a_member_passes_references_on_to_members_only(keeping: World) -> None:
    actor = in_score(keeping)
    actor.look()
    actor.feel(ReferencesOpened(references=KEPT))
    question = RevealAsked(sender=node("c"), authors=(), keepers=(node("super"),))
    assert shown(actor.feel(question)) == {node("c")}
    assert not actor.feel(replace(question, sender=node("asker")))
