"""Sessions with rounds (Algorithm 1): stages 2 to 4 repeat, and every invariant of one round holds in each."""

from __future__ import annotations

import pytest
from world import World, key, node

from comitia.consensus.verdicts import Verdict
from comitia.core.ids import SessionId
from comitia.ledger.session import Phase
from comitia.ledger.transactions import (
    EndRounds,
    EvidenceKind,
    ReportEvidence,
    Tick,
    sign_transaction,
)


def opened(world: World, **changes: object) -> SessionId:
    session = world.open(world.task(**{"learner": "softmax", "rounds": 3, **changes}))
    world.consent(session)
    return session


def a_round(world: World, session: SessionId) -> None:
    world.commit(session)
    world.score(session)


def test_rounds_repeat_and_the_block_names_all(world: World) -> None:
    session = opened(world)
    for number in (1, 2, 3):
        assert (world.session(session).phase, world.session(session).round) == (Phase.COMMIT, number)
        a_round(world, session)
    world.post(world.leader_name(session), world.seal_body(session), world.session(session))
    sealed = world.session(session)
    assert sealed.phase is Phase.SEALED
    assert sealed.block is not None
    places = [(each.round, each.author) for each in sealed.block.transactions]
    assert places == sorted(places)
    assert len(places) == 9
    assert set(sealed.block.accepted) == {node(name) for name in world.providers}
    assert world.application.conduct(node("a")).epsilon_micro == 10**6
    assert world.application.conduct(node("a")).accepted == 3


def test_what_belongs_to_another_round_is_refused(world: World) -> None:
    session = opened(world)
    first = world.commitment(session, "a")
    world.commit(session)
    sheet = world.sheet(session, "a")
    world.score(session)
    assert world.code("a", first, world.session(session)) == "wrong-round"
    world.commit(session)
    assert world.code("a", sheet, world.session(session)) == "wrong-round"


def test_the_budget_is_declared_once(world: World) -> None:
    session = opened(world)
    a_round(world, session)
    again = world.commitment(session, "a")
    assert again.epsilon_micro == 0
    paid_twice = type(again)(
        commitment=again.commitment, rows=again.rows, epsilon_micro=10**6, size=1, round=again.round
    )
    assert world.code("a", paid_twice, world.session(session)) == "wrong-epsilon"


def test_a_commitment_of_an_earlier_round_cannot_be_posted_again(world: World) -> None:
    session = opened(world)
    first = world.commitment(session, "a")
    a_round(world, session)
    again = type(first)(commitment=first.commitment, rows=100, epsilon_micro=0, size=1, round=2)
    assert world.code("b", again, world.session(session)) == "copied-commitment"


def test_a_quorum_that_finds_the_model_good_enough_ends_the_rounds(world: World) -> None:
    session = opened(world, threshold_ppm=100_000)
    a_round(world, session)
    for name in ("a", "b"):
        world.post(name, EndRounds(round=2), world.session(session))
        assert world.session(session).phase is Phase.COMMIT
    world.post("super", EndRounds(round=2), world.session(session))
    rested = world.session(session)
    assert (rested.phase, rested.round) == (Phase.SEAL, 1)
    assert {verdict for _, verdict in rested.judgement.verdicts} == {Verdict.ACCEPT}  # type: ignore[union-attr]
    world.post(world.leader_name(session), world.seal_body(session), rested)
    assert world.session(session).phase is Phase.SEALED
    assert world.application.conduct(node("c")).strikes == 0


def test_one_member_cannot_end_the_rounds(world: World) -> None:
    session = opened(world)
    assert world.code("a", EndRounds(round=2), world.session(session)) == "wrong-round"
    a_round(world, session)
    world.post("a", EndRounds(round=2), world.session(session))
    assert world.code("a", EndRounds(round=2), world.session(session)) == "already-posted"
    assert world.code("asker", EndRounds(round=2), world.session(session)) == "not-a-member"


@pytest.mark.parametrize("committed", [(), ("a",)])
def test_a_later_round_that_comes_to_nothing_leaves_what_there_is(world: World, committed: tuple[str, ...]) -> None:
    session = opened(world)
    a_round(world, session)
    if committed:
        world.commit(session, *committed)
    world.now_ms += 2_000
    world.post("asker", Tick(phase=Phase.COMMIT, view=0), world.session(session))
    rested = world.session(session)
    assert (rested.phase, rested.round) == (Phase.SEAL, 1)
    world.post(world.leader_name(session), world.seal_body(session), rested)
    assert world.session(session).phase is Phase.SEALED


def test_what_is_left_of_three_rounds_are_the_two_that_came_to_something(world: World) -> None:
    session = opened(world)
    a_round(world, session)
    a_round(world, session)
    before = world.session(session)
    world.now_ms += 2_000
    world.post("asker", Tick(phase=Phase.COMMIT, view=0), before)
    rested = world.session(session)
    assert (rested.phase, rested.round, rested.judged_rounds) == (Phase.SEAL, 2, before.earlier)
    assert [len(rested.scores_in(number)) for number in range(5)] == [0, 4, 4, 0, 0]
    assert [len(rested.commits_in(number)) for number in range(5)] == [0, 3, 3, 0, 0]
    world.post(world.leader_name(session), world.seal_body(session), rested)
    assert {each.round for each in world.session(session).block.transactions} == {1, 2}  # type: ignore[union-attr]


def test_a_later_round_that_too_few_have_scored_strikes_nobody(world: World) -> None:
    session = opened(world)
    a_round(world, session)
    world.commit(session)
    world.score(session, "a")
    world.now_ms += 2_000
    world.post("asker", Tick(phase=Phase.SCORE, view=0), world.session(session))
    assert (world.session(session).phase, world.session(session).round) == (Phase.SEAL, 1)
    assert {world.application.conduct(node(name)).strikes for name in (*world.providers, "super")} == {0}


def test_a_later_round_of_which_nothing_is_accepted_leaves_what_there_is(world: World) -> None:
    session = opened(world)
    a_round(world, session)
    world.commit(session)
    for name in (*world.providers, "super"):
        world.post(name, world.sheet(session, name, signal_micro=-9_000_000), world.session(session))
    assert (world.session(session).phase, world.session(session).round) == (Phase.SEAL, 1)


def test_a_later_round_with_too_few_who_could_score_leaves_what_there_is() -> None:
    world = World(providers=tuple("abcde"))
    world.settle_in()
    session = opened(world)
    a_round(world, session)
    world.commit(session, "a", "b")
    world.now_ms += 2_000
    world.post("asker", Tick(phase=Phase.COMMIT, view=0), world.session(session))
    assert (world.session(session).phase, world.session(session).round) == (Phase.SEAL, 1)


def test_in_a_chain_they_train_in_turn(world: World) -> None:
    session = opened(world, chain=True)
    turns = []
    for _ in range(3):
        (due,) = world.session(session).due
        turns.append(due)
        name = next(name for name in world.providers if node(name) == due)
        other = next(name for name in world.providers if node(name) != due)
        assert world.code(other, world.commitment(session, other), world.session(session)) == "not-a-member"
        world.commit(session, name)
        world.score(session)
    assert set(turns) == {node(name) for name in world.providers}
    assert world.session(session).phase is Phase.SEAL


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rounds": 2}, "'prototype' learns in one round, 2 were asked for"),
        ({"chain": True}, "'prototype' does not go on from the model it is given"),
        ({"learner": "gbdt", "rounds": 2, "chain": True}, "'gbdt' does not go on from the model it is given"),
    ],
)
def test_a_learner_of_one_round_has_neither_rounds_nor_a_chain(
    world: World, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(AssertionError, match=reason):
        world.open(world.task(**changes))


@pytest.mark.parametrize(("number", "code"), [(1, "no-proof"), (2, "")])
def test_two_commitments_prove_something_only_within_one_round(world: World, number: int, code: str) -> None:
    session = opened(world)
    first = world.commitment(session, "a")
    other = type(first)(commitment=bytes(32), rows=1, epsilon_micro=0, size=1, round=3 - number if code else 1)
    if not code:
        first = type(first)(commitment=first.commitment, rows=1, epsilon_micro=0, size=1, round=1)
    items = tuple(
        sign_transaction(
            body, chain=world.genesis.chain, epoch=0, sender=node("a"), key=key("a"), session=session
        ).to_bytes()
        for body in (first, other)
    )
    report = ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("a"), items=items)
    assert world.code("b", report) == code
