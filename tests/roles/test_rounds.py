"""A member in a session with rounds: I2, I3 and I7 hold in each of them, also across a restart."""

from __future__ import annotations

from world import World, key, node

from comitia.core.ids import SessionId
from comitia.ledger.transactions import CommitModel, EndRounds
from comitia.roles import member
from comitia.roles.effects import Assess, Combine, Post, Remember, ScoreReleases, Send, Train
from comitia.roles.events import (
    Assessed,
    Decided,
    MemberEvent,
    RevealAsked,
    RevealReceived,
    Scored,
    SessionAdvanced,
    Trained,
    Woke,
)
from comitia.roles.memory import Memory
from comitia.roles.messages import AskReveal, Reveal


class Actor:
    """Provider `a` in a session of three rounds."""

    def __init__(self, world: World, session: SessionId) -> None:
        self.world, self.id = world, session
        self.memory = Memory()
        self.restart()

    def restart(self) -> None:
        record = self.world.session(self.id)
        self.state = member.MemberState(node=node("a"), session=record, memory=self.memory)

    def feel(self, event: MemberEvent) -> list[object]:
        self.state, effects = member.step(self.state, event, key("a"), self.world.now_ms)
        for effect in effects:
            if isinstance(effect, Remember):
                self.memory = effect.memory
        return list(effects)

    def look(self) -> list[object]:
        return self.feel(SessionAdvanced(session=self.world.session(self.id)))

    def trained(self, release: bytes, number: int) -> list[object]:
        paid = 10**6 if number == 1 else 0
        return self.feel(Trained(release=release, nonce=bytes(32), rows=100, epsilon_micro=paid, round=number))


def only(effects: list[object], kind: type) -> list[object]:
    return [effect for effect in effects if isinstance(effect, kind)]


def opened(name: str, number: int) -> Reveal:
    release = name if number == 1 else f"{name}{number}"
    return Reveal(author=node(name), nonce=bytes(32), release=release.encode(), round=number)


def in_second_round(world: World, **changes: object) -> Actor:
    """The first round is over; `a` holds what the others showed in it."""
    actor = Actor(world, world.open(world.task(**{"learner": "softmax", "rounds": 3, **changes})))
    actor.look()
    actor.feel(Decided(answer=True, reason=""))
    world.consent(actor.id)
    actor.look()
    actor.trained(b"a", 1)
    world.commit(actor.id)
    actor.look()
    for name in ("b", "c"):
        actor.feel(RevealReceived(reveal=opened(name, 1)))
    actor.feel(Scored(scores=world.sheet(actor.id, "a").scores, round=1))
    world.score(actor.id)
    return actor


def test_the_next_round_trains_on_the_accepted_releases_of_the_one_before(world: World) -> None:
    actor = in_second_round(world)
    (train,) = only(actor.look(), Train)
    assert isinstance(train, Train)
    assert {reveal.author for reveal in train.reveals} == {node(name) for name in world.providers}
    (post,) = only(actor.trained(b"a2", 2), Post)
    assert isinstance(post, Post)
    assert isinstance(post.body, CommitModel)
    assert (post.body.round, post.body.epsilon_micro) == (2, 0)


def test_i2_nothing_of_a_round_is_revealed_before_its_commit_set_is_closed(world: World) -> None:
    actor = in_second_round(world)
    actor.look()
    actor.trained(b"a2", 2)
    world.commit(actor.id, "a", "b")
    assert not only(actor.look(), Send)
    assert not only(actor.feel(RevealAsked(sender=node("b"), authors=(node("a"),), round=2)), Send)
    assert not [e for e in only(actor.feel(Woke(now_ms=world.now_ms)), Send) if isinstance(e.message, Reveal)]  # type: ignore[attr-defined]
    (sent,) = only(actor.feel(RevealAsked(sender=node("b"), authors=(node("a"),), round=1)), Send)
    assert sent.message == opened("a", 1)  # type: ignore[attr-defined]


def test_i3_a_restarted_member_opens_the_same_releases_of_every_round(world: World) -> None:
    actor = in_second_round(world)
    actor.look()
    actor.trained(b"a2", 2)
    actor.restart()
    (post,) = only(actor.look(), Post)
    assert post.body == world.commitment(actor.id, "a")  # type: ignore[attr-defined]
    world.commit(actor.id)
    effects = actor.look()
    sent = {send.message.release for send in only(effects, Send) if isinstance(send.message, Reveal)}  # type: ignore[attr-defined]
    assert sent == {b"a2"}
    asked = {
        (ask.message.round, ask.message.authors)
        for ask in only(actor.feel(Woke(now_ms=world.now_ms)), Send)
        if isinstance(ask.message, AskReveal)
    }  # type: ignore[attr-defined]
    assert {number for number, _ in asked} == {1, 2}


def test_a_restarted_member_waits_for_what_the_next_round_rests_on(world: World) -> None:
    actor = in_second_round(world)
    actor.restart()
    assert not only(actor.look(), Train)
    for name in ("b", "c"):
        effects = actor.feel(RevealReceived(reveal=opened(name, 1)))
    assert only(effects, Train)


def test_a_model_that_is_good_enough_ends_the_rounds_and_nothing_is_trained(world: World) -> None:
    actor = in_second_round(world, threshold_ppm=100_000)
    assert only(actor.look(), Assess)
    (post,) = effects = actor.feel(Assessed(round=2, enough=True))
    assert post == Post(session=actor.id, body=EndRounds(round=2))
    assert not only(effects, Train)
    for name in ("a", "b", "super"):
        world.post(name, EndRounds(round=2), world.session(actor.id))
    (combine,) = only(actor.look(), Combine)
    assert {reveal.round for reveal in combine.reveals} == {1}  # type: ignore[attr-defined]


def test_a_model_that_is_not_good_enough_is_trained_on(world: World) -> None:
    actor = in_second_round(world, threshold_ppm=100_000)
    actor.look()
    assert only(actor.feel(Assessed(round=2, enough=False)), Train)


def test_what_was_trained_or_scored_for_an_earlier_round_is_not_taken_for_this_one(world: World) -> None:
    actor = in_second_round(world)
    actor.look()
    assert not actor.trained(b"late", 1)
    assert not actor.feel(Scored(scores=(), round=1))


def test_scores_of_a_later_round_come_with_the_model_they_rest_on(world: World) -> None:
    actor = in_second_round(world)
    actor.look()
    actor.trained(b"a2", 2)
    world.commit(actor.id)
    actor.look()
    actor.feel(RevealReceived(reveal=opened("b", 2)))
    (score,) = only(actor.feel(RevealReceived(reveal=opened("c", 2))), ScoreReleases)
    assert {reveal.round for reveal in score.reveals} == {2}  # type: ignore[attr-defined]
    assert {reveal.round for reveal in score.earlier} == {1}  # type: ignore[attr-defined]
