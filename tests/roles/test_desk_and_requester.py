"""The super node's desk and the requester as pure functions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from world import World, node

from comitia.consensus.figures import Figures
from comitia.consensus.verdicts import Verdict
from comitia.core.envelope import Envelope
from comitia.core.errors import AbortedError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.requesting import failure
from comitia.ledger.session import Phase
from comitia.ledger.transactions import AbortRequest, OpenRequest, Policy, RecordReuse, SetPolicy, Tick
from comitia.roles import requester, super_node
from comitia.roles.effects import Finish, Send, WakeAt
from comitia.roles.events import Delivered, Refused, SessionAdvanced, Woke
from comitia.roles.messages import AskModel, Follow

DESK = super_node.DeskState()


def arrived(world: World, nonce: bytes = b"n" * 16, **changes: object) -> super_node.Arrived:
    request = OpenRequest(task=world.task(**changes), issued_ms=world.now_ms, nonce=nonce)
    data = world.signed("asker", request)
    return super_node.Arrived(
        transaction=TransactionId(Envelope.from_bytes(data).digest),
        data=data,
        sender=node("asker"),
        author=node("asker"),
        epoch=0,
        request=request,
    )


def step(
    world: World, state: super_node.DeskState, event: super_node.DeskEvent
) -> tuple[super_node.DeskState, list[object]]:
    state, effects = super_node.step(state, event, world.application, world.now_ms)
    return state, list(effects)


def unjudged(world: World, *signals: float | None, expected: float = 2.0, willing: bool = False) -> AbortedError:
    """How a session fails in which nobody could tell, whose releases had these signals."""
    session = world.run(world.open())
    assert session.judgement is not None
    authors = [author for author, _ in session.judgement.verdicts][: len(signals)]
    figures = tuple(
        Figures(author=author)
        if signal is None
        else Figures(author=author, signal_micro=int(signal * 1e6), expected_micro=int(expected * 1e6))
        for author, signal in zip(authors, signals, strict=True)
    )
    unknown = tuple((author, Verdict.UNVERIFIABLE) for author in authors)
    judgement = replace(session.judgement, verdicts=unknown, figures=figures, accepted=())
    task = replace(session.task, epsilon_micro=500_000, accept_unverified=willing)
    ended = Finish(session=session.id, model=b"", proof=b"", cached=False, code="session-aborted", reason="none")
    error = failure(ended, replace(session, task=task, judgement=judgement))
    assert isinstance(error, AbortedError)
    return error


def test_who_could_have_had_a_model_of_unverified_work_is_told(world: World) -> None:
    error = unjudged(world, 1.5, 0.0, -0.5)
    assert "1 of 3 models had a signal below 0" in error.message
    assert "2 models could not be judged on what is public: --accept-unverified uses them" in error.hint
    assert (error.values["epsilon"], error.values["enough_epsilon"]) == (0.5, 3.0)
    assert "epsilon 3 leaves no model less than once in 100 requests" in error.hint


@pytest.mark.parametrize("willing", [True, False])
def test_who_got_no_model_although_it_takes_unverified_work_is_told_why(world: World, willing: bool) -> None:
    error = unjudged(world, -0.25, -1.5, -0.5, willing=willing)
    assert "3 of 3 models had a signal below 0" in error.message
    assert "not even with --accept-unverified" in error.hint
    assert "--accept-unverified uses" not in error.hint
    assert "epsilon 0.5" in error.hint
    assert "epsilon 0.6 leaves no model less than once in 100 requests" in error.hint
    values = json.loads(json.dumps(error.as_dict()))["values"]
    assert values["signals"] == [-0.25, -1.5, -0.5]
    assert values["expected_signals"] == [2.0] * 3
    assert values["enough_epsilon"] == 0.6


def test_what_no_epsilon_mends_is_not_laid_to_epsilon(world: World) -> None:
    error = unjudged(world, None, None)
    assert "--accept-unverified uses them" in error.hint
    assert "epsilon" not in error.hint
    assert error.values["enough_epsilon"] is None


def test_where_nothing_is_to_be_expected_no_epsilon_is_promised(world: World) -> None:
    error = unjudged(world, -1.0, -0.1, expected=0.0, willing=True)
    assert error.values["enough_epsilon"] is None
    assert "a larger epsilon, or providers with more documents" in error.hint


def test_a_new_request_is_ordered(world: World) -> None:
    event = arrived(world)
    _, effects = step(world, DESK, event)
    assert effects == [
        super_node.Order(transaction=event.transaction, data=event.data, author=event.author, reply_to=node("asker"))
    ]


def test_a_hit_is_recorded_before_it_is_served(world: World) -> None:
    sealed = world.run(world.open())
    desk = super_node.holding(DESK, sealed.id)
    event = arrived(world)
    desk, effects = step(world, desk, event)
    hit = super_node.RecordCacheHit(arrived=event, source=sealed.id)
    assert effects == [hit]
    assert step(world, desk, event)[1] == [], "a repeated request is not recorded twice"
    desk, effects = step(world, desk, super_node.Recorded(request=event.transaction))
    served = super_node.ServeCached(request=event.transaction, requester=node("asker"), source=sealed.id)
    assert effects == [served]
    assert step(world, desk, super_node.Recorded(request=event.transaction))[1] == []


def test_a_recorded_hit_whose_answer_was_lost_is_served_again_without_a_second_record(world: World) -> None:
    """A crash or a cut connection between record and delivery; the desk remembers nothing of it."""
    sealed = world.run(world.open())
    desk = super_node.holding(DESK, sealed.id)
    event = arrived(world)
    world.post("super", RecordReuse(request=event.data, source=sealed.id))
    _, effects = step(world, desk, event)
    assert effects == [super_node.ServeCached(request=event.transaction, requester=node("asker"), source=sealed.id)]
    world.post("a", SetPolicy(policy=Policy(version=9)))
    _, effects = step(world, desk, event)
    assert isinstance(effects[0], super_node.Order), "nobody may have it any more"


def test_a_lost_answer_is_the_recorded_model_though_the_cache_holds_a_newer_one(world: World) -> None:
    first = world.run(world.open())
    event = arrived(world)
    world.post("super", RecordReuse(request=event.data, source=first.id))
    second = world.run(world.open(world.task(reuse=False), nonce=b"2" * 16))
    desk = super_node.holding(super_node.holding(DESK, first.id), second.id)
    assert (
        world.application.cache_lookup(event.request.task.cache_key(0), node("asker"), "testing", world.now_ms)
        == second.id
    )
    _, effects = step(world, desk, event)
    assert effects == [super_node.ServeCached(request=event.transaction, requester=node("asker"), source=first.id)]


def test_no_hit_without_the_model_or_where_a_fresh_one_is_wanted(world: World) -> None:
    sealed = world.run(world.open())
    assert isinstance(step(world, DESK, arrived(world))[1][0], super_node.Order)
    held = super_node.holding(DESK, sealed.id)
    assert isinstance(step(world, held, arrived(world, reuse=False))[1][0], super_node.Order)


def test_a_lost_model_is_trained_anew(world: World) -> None:
    sealed = world.run(world.open())
    desk, _ = step(world, super_node.holding(DESK, sealed.id), arrived(world))
    desk, effects = step(world, desk, super_node.Lost(session=sealed.id))
    assert (desk, effects) == (DESK, [])
    assert isinstance(step(world, desk, arrived(world))[1][0], super_node.Order)


def test_who_was_promised_a_model_that_was_lost_then_is_told_to_ask_again(world: World) -> None:
    sealed = world.run(world.open())
    event = arrived(world)
    world.post("super", RecordReuse(request=event.data, source=sealed.id))
    desk, _ = step(world, super_node.holding(DESK, sealed.id), super_node.Lost(session=sealed.id))
    assert isinstance(step(world, desk, event)[1][0], super_node.Order)
    refused = world.block(event.data).results[0]
    assert refused.code == "already-there"
    ended = Finish(session=sealed.id, model=b"", proof=b"", cached=False, code=refused.code, reason=refused.message)
    assert "ask again" in failure(ended).hint


def test_identical_requests_in_flight_coalesce(world: World) -> None:
    session = world.open()
    event = arrived(world)
    desk, effects = step(world, DESK, event)
    assert effects == []
    desk, effects = step(world, desk, arrived(world, epsilon_micro=2 * 10**6))
    assert isinstance(effects[0], super_node.Order)
    sealed = world.run(session)
    desk = super_node.holding(desk, sealed.id)
    desk, effects = step(world, desk, super_node.Ended(session=sealed))
    assert [type(effect) for effect in effects] == [super_node.RecordCacheHit]
    assert desk.coalesced == {}


def test_who_waited_for_an_aborted_session_gets_one_of_its_own(world: World) -> None:
    session = world.open()
    desk, _ = step(world, DESK, arrived(world))
    world.post("asker", AbortRequest(reason="x"), world.session(session))
    _, effects = step(world, desk, super_node.Ended(session=world.session(session)))
    assert [type(effect) for effect in effects] == [super_node.Order]


def test_an_overdue_stage_is_ticked_once(world: World) -> None:
    session = world.session(world.open())
    assert step(world, DESK, super_node.Ticked())[1] == []
    world.now_ms = session.deadline_ms + super_node.TICK_GRACE_MS + 1
    desk, effects = step(world, DESK, super_node.Ticked())
    tick = super_node.OrderTick(session=session.id, body=Tick(phase=Phase.CONSENT, view=0))
    assert effects == [tick]
    assert step(world, desk, super_node.Ticked())[1] == []


def test_a_stage_is_ticked_again_when_the_clock_was_set_back_after_the_first_tick(world: World) -> None:
    session = world.session(world.open())
    late = session.deadline_ms + super_node.TICK_GRACE_MS + 1
    world.now_ms = late + 60_000
    desk, _ = step(world, DESK, super_node.Ticked())
    world.now_ms = late
    desk, effects = step(world, desk, super_node.Ticked())
    assert [type(effect) for effect in effects] == [super_node.OrderTick]
    assert step(world, desk, super_node.Ticked())[1] == []
    world.now_ms = late + super_node.TICK_AGAIN_MS
    assert [type(effect) for effect in step(world, desk, super_node.Ticked())[1]] == [super_node.OrderTick]


def test_questions_are_answered(world: World) -> None:
    asked = super_node.Asked(sender=node("a"), question=Follow(height=3, nonce=bytes(16)))
    assert step(world, DESK, asked)[1] == [super_node.Answer(to=node("a"), question=Follow(height=3, nonce=bytes(16)))]


# --- the requester --------------------------------------------------------------------------------------


def waiting(world: World, session: SessionId) -> requester.RequesterState:
    return requester.RequesterState(request=session, patience_ms=world.now_ms + 60_000)


def test_a_requester_ends_once_with_its_model(world: World) -> None:
    state = waiting(world, world.open())
    delivered = Delivered(model=b"m", proof=b"p", cached=False)
    state, effects = requester.step(state, delivered, world.now_ms)
    (done,) = effects
    assert isinstance(done, Finish)
    assert (done.model, done.code) == (b"m", "")
    assert requester.step(state, delivered, world.now_ms)[1] == ()


def test_a_refusal_and_an_abort_are_told_with_their_reason(world: World) -> None:
    session = world.open()
    refused = Refused(transaction=TransactionId(session), code="no-provider", message="nobody")
    (done,) = requester.step(waiting(world, session), refused, world.now_ms)[1]
    assert isinstance(done, Finish)
    assert (done.code, done.reason) == ("no-provider", "nobody")
    world.post("asker", AbortRequest(reason="x"), world.session(session))
    (done,) = requester.step(waiting(world, session), SessionAdvanced(session=world.session(session)), world.now_ms)[1]
    assert isinstance(done, Finish)
    assert done.code == "session-aborted"


def test_a_sealed_model_that_does_not_come_is_asked_of_every_member(world: World) -> None:
    sealed = world.run(world.open())
    state, effects = requester.step(waiting(world, sealed.id), SessionAdvanced(session=sealed), world.now_ms)
    assert [type(effect) for effect in effects] == [WakeAt]
    _, effects = requester.step(state, Woke(now_ms=world.now_ms + 600), world.now_ms + 600)
    asked = [effect for effect in effects if isinstance(effect, Send)]
    assert {send.to for send in asked} == set(sealed.members)
    assert all(send.message == AskModel(session=sealed.id) for send in asked)


def test_patience_ends(world: World) -> None:
    state = replace(waiting(world, world.open()), patience_ms=world.now_ms - 1)
    (done,) = requester.step(state, Woke(now_ms=world.now_ms), world.now_ms)[1]
    assert isinstance(done, Finish)
    assert done.code == "no-answer"
