"""References that witnesses keep back: bound in advance, used up in order, once, and named in the block."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import CODEBOOK, World, node

from comitia.consensus.gain import Gain
from comitia.core.codec import digest
from comitia.core.ids import SessionId
from comitia.ledger.genesis import Role
from comitia.ledger.session import references_commitment
from comitia.ledger.transactions import MAX_SETS, BindReferences, PostScores


def bound(*names: str) -> BindReferences:
    return BindReferences(codebook=CODEBOOK, commitments=tuple(digest(name.encode()) for name in names))


@pytest.fixture
def world() -> World:
    made = World()
    made.settle_in()
    return made


def in_score(world: World, **task: object) -> SessionId:
    session = world.open(world.task(**task), nonce=bytes([world.height % 256]) * 16)
    world.consent(session)
    world.commit(session)
    return session


def test_one_set_is_used_up_by_each_session_in_the_order_of_binding(world: World) -> None:
    world.post("super", bound("1", "2"))
    world.post("super", bound("3"))
    for name in ("1", "2", "3"):
        assert world.session(in_score(world)).kept_back == {node("super"): digest(name.encode())}
    assert world.application.shelf(CODEBOOK, node("super")).left == 0
    assert world.session(in_score(world)).kept_back == {}


def test_a_session_that_comes_to_no_commitments_uses_nothing_up(world: World) -> None:
    world.post("super", bound("1"))
    session = world.open()
    world.consent(session, answer=False)
    assert world.session(session).abort_reason
    assert world.application.shelf(CODEBOOK, node("super")).left == 1


def test_what_is_bound_while_a_session_runs_comes_last(world: World) -> None:
    world.post("super", bound("1"))
    session = world.open()
    world.consent(session)
    world.post("super", bound("2"))
    world.commit(session)
    assert world.session(session).kept_back == {node("super"): digest(b"1")}


def test_who_bound_nothing_before_the_request_is_no_keeper(world: World) -> None:
    session = world.open()
    world.post("super", bound("1"))
    world.consent(session)
    world.commit(session)
    assert world.session(session).kept_back == {}


def test_learners_whose_releases_are_no_class_sums_use_nothing_up(world: World) -> None:
    world.post("super", bound("1"))
    session = in_score(world, learner="softmax", rounds=2)
    assert world.session(session).kept_back == {}


def test_every_witness_with_references_has_a_seat(world: World) -> None:
    for name in ("w1", "w2", "w3"):
        world.admit(name, Role.WITNESS)
    assert len(world.session(in_score(world)).witnesses) == 1
    for name in ("w1", "w2", "w3"):
        world.post(name, bound(name))
    session = world.session(in_score(world))
    assert set(session.kept_back) == {node(name) for name in ("w1", "w2", "w3")} == set(session.witnesses)


@pytest.mark.parametrize(
    ("author", "body", "code"),
    [
        ("a", bound("1"), "not-allowed"),
        ("super", replace(bound("1"), codebook=bytes(32)), "unknown-codebook"),
        ("super", bound("9", "0"), "already-there"),
        ("super", bound("1", "1"), "already-there"),
        ("super", replace(bound(), commitments=(b"short",)), "out-of-bounds"),
        ("super", bound(), "out-of-bounds"),
        ("super", bound(*map(str, range(1, MAX_SETS + 1))), "out-of-bounds"),
    ],
)
def test_what_cannot_be_bound_is_refused(world: World, author: str, body: BindReferences, code: str) -> None:
    world.post("super", bound("0"))
    before = world.application.state_root
    assert world.code(author, body) == code
    assert world.application.state_root == before


def test_a_commitment_opens_for_its_keeper_and_its_chain_only() -> None:
    opened = references_commitment("chain", node("super"), bytes(32), b"documents")
    assert opened != references_commitment("chain", node("w1"), bytes(32), b"documents")
    assert opened != references_commitment("other", node("super"), bytes(32), b"documents")
    assert opened != references_commitment("chain", node("super"), b"1" * 32, b"documents")


def with_gains(world: World, session: SessionId, judge: str, free_rider: str = "") -> PostScores:
    sheet = world.sheet(session, judge)
    lines = tuple(
        replace(
            line,
            gains=tuple(
                Gain(keeper=keeper, gain_micro=0 if line.author == free_rider else 10**7, expected_micro=10**7)
                for keeper in sorted(world.session(session).kept_back)
            ),
        )
        for line in sheet.scores
    )
    return replace(sheet, scores=lines)


def test_the_block_names_what_was_opened_and_the_free_rider_is_not_in_it(world: World) -> None:
    world.post("super", bound("1"))
    session = in_score(world)
    for name in (*world.providers, "super"):
        world.post(name, with_gains(world, session, name, free_rider=node("c")), world.session(session))
    seal = world.seal_body(session)
    assert seal.block.references == ((node("super"), digest(b"1")),)
    assert seal.block.accepted == tuple(sorted((node("a"), node("b"))))
    world.post(world.leader_name(session), seal, world.session(session))
    assert world.application.conduct(node("c")).rejected == 1
    assert world.application.conduct(node("super")).strikes == 0
    forged = replace(seal, block=replace(seal.block, references=()))
    assert world.code("a", forged, world.session(session)) == "session-ended"


def test_who_does_not_open_gets_a_strike_and_the_session_goes_on(world: World) -> None:
    world.post("super", bound("1"))
    session = in_score(world)
    world.score(session)
    assert world.session(session).judgement is not None
    assert world.seal_body(session).block.references == ()
    assert world.application.conduct(node("super")).strikes == 1


def test_gains_by_references_that_nobody_bound_are_refused(world: World) -> None:
    session = in_score(world)
    sheet = world.sheet(session, "a")
    gains = (Gain(keeper=node("super"), gain_micro=1, expected_micro=1),)
    false = replace(sheet, scores=tuple(replace(line, gains=gains) for line in sheet.scores))
    assert world.code("a", false, world.session(session)) == "bad-score-sheet"
