"""The Proof of Training Quality session on the ledger: every stage, every end, and what must hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import LIBERAL, World, key, node

from comitia.consensus.committee import faults_tolerated, quorum
from comitia.consensus.verdicts import Verdict
from comitia.ledger.genesis import Parameters, QuorumRule
from comitia.ledger.session import TRANSITIONS, Phase, block_digest, expected_block
from comitia.ledger.transactions import (
    AbortRequest,
    Consent,
    EvidenceKind,
    OpenRequest,
    Policy,
    PostScores,
    ReportEvidence,
    SealBlock,
    SetPolicy,
    Tick,
    Withdraw,
)


def test_a_session_goes_through_all_its_stages_and_is_sealed(world: World) -> None:
    session = world.open()
    assert world.session(session).phase is Phase.CONSENT
    assert set(world.session(session).drawn) == {node(name) for name in world.providers}
    world.consent(session)
    opened = world.session(session)
    assert (opened.phase, len(opened.members), opened.faults, opened.quorum) == (Phase.COMMIT, 4, 1, 3)
    world.commit(session)
    assert world.session(session).phase is Phase.SCORE
    world.score(session)
    judged = world.session(session)
    assert judged.phase is Phase.SEAL
    assert judged.judgement is not None
    assert {verdict for _, verdict in judged.judgement.verdicts} == {Verdict.ACCEPT}
    world.post(world.leader_name(session), world.seal_body(session), world.session(session))
    sealed = world.session(session)
    assert (sealed.phase, sealed.poq_height) == (Phase.SEALED, 1)
    assert sealed.block is not None
    assert sealed.block.chain == world.genesis.chain
    assert world.application.conduct(node("a")).epsilon_micro == 10**6
    assert world.application.conduct(node("a")).accepted == 1


def test_a_session_without_an_accepted_model_says_how_many_met_which_verdict(world: World) -> None:
    session = world.open(world.task(accept_unverified=False))
    world.consent(session)
    world.commit(session)
    for name in (*world.providers, "super"):
        sheet = world.sheet(session, name)
        unknown = tuple(replace(score, signal_micro=None, expected_micro=None) for score in sheet.scores)
        world.post(name, PostScores(scores=unknown), world.session(session))
    ended = world.session(session)
    assert ended.phase is Phase.ABORTED
    count = len(world.providers)
    assert ended.abort_reason == f"none of {count} models was accepted ({count} unverifiable)"


def test_a_second_block_for_a_session_is_refused(world: World) -> None:
    """I1: no two sealed blocks for one session."""
    session = world.open()
    world.run(session)
    ended = world.session(session)
    body = SealBlock(block=ended.block, certificate=((node("a"), bytes(64)),))  # type: ignore[arg-type]
    assert world.code("a", body, ended) == "session-ended"
    assert world.application.poq_height == 1


@pytest.mark.parametrize("missing", ["a", "b", "c", "super"])
def test_any_quorum_seals(world: World, missing: str) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    signers = [name for name in (*world.providers, "super") if name != missing]
    world.post(signers[0], world.seal_body(session, *signers), world.session(session))
    assert world.session(session).phase is Phase.SEALED


def test_a_certificate_below_quorum_or_with_a_bad_signature_seals_nothing(world: World) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    assert world.code("a", world.seal_body(session, "a", "b"), world.session(session)) == "bad-certificate"
    good = world.seal_body(session)
    forged = replace(good, certificate=tuple((signer, bytes(64)) for signer, _ in good.certificate))
    assert world.code("a", forged, world.session(session)) == "bad-certificate"
    doubled = replace(good, certificate=(good.certificate[0],) * 3)
    assert world.code("a", doubled, world.session(session)) == "bad-certificate"
    outsider = world.seal_body(session, "a", "b", "asker")
    assert world.code("a", outsider, world.session(session)) == "bad-certificate"
    assert world.session(session).phase is Phase.SEAL


def test_a_block_that_does_not_follow_from_the_ledger_is_refused(world: World) -> None:
    """I5: block = function of its inputs."""
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    good = world.seal_body(session)
    for change in ({"accepted": ()}, {"leader": node("b")}, {"purpose": "other"}, {"quorum": 1}):
        block = replace(good.block, **change)
        if block == good.block:
            continue
        signed = tuple((n, key(name).sign(block_digest(block))) for name in ("a", "b", "c") for n in [node(name)])
        body = SealBlock(block=block, certificate=tuple(sorted(signed)))
        assert world.code("a", body, world.session(session)) == "wrong-block"


def test_unanimous_approval_can_be_chosen_as_the_paper_has_it() -> None:
    """ "If the block containing all transactions is approved by every committee node" (III.D.2)."""
    world = World(parameters=Parameters(quorum_rule=QuorumRule.UNANIMOUS))
    world.settle_in()
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    assert world.session(session).quorum == 4
    assert world.code("a", world.seal_body(session, "a", "b", "c"), world.session(session)) == "bad-certificate"
    world.post("a", world.seal_body(session), world.session(session))


def test_too_few_consents_abort_with_a_reason(world: World) -> None:
    session = world.open()
    world.consent(session, "a")
    for name in ("b", "c"):
        world.post(name, Consent(answer=False, reason="no"), world.session(session))
    ended = world.session(session)
    assert ended.phase is Phase.ABORTED
    assert "1 of 3 providers agreed, 2 needed (2 refused, 0 did not answer)" in ended.abort_reason


def test_a_silent_provider_is_left_out_after_the_deadline(world: World) -> None:
    session = world.open()
    world.consent(session, "a", "b")
    before = world.session(session)
    assert world.code("super", Tick(phase=Phase.CONSENT, view=0), before) == "too-early"
    world.now_ms = before.deadline_ms + 1
    world.post("super", Tick(phase=Phase.CONSENT, view=0), before)
    assert node("c") not in world.session(session).members
    assert world.session(session).phase is Phase.COMMIT
    assert world.code("super", Tick(phase=Phase.CONSENT, view=0), before) == "wrong-phase"


def test_who_is_late_is_refused_and_gets_a_strike(world: World) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session, "a", "b")
    world.now_ms = world.session(session).deadline_ms + 1
    assert world.code("c", world.commitment(session, "c"), world.session(session)) == "too-late"
    world.post("super", Tick(phase=Phase.COMMIT, view=0), world.session(session))
    assert world.application.conduct(node("c")).strikes == 1
    assert world.session(session).phase is Phase.SCORE


def test_every_stage_has_its_own_length(world: World) -> None:
    session = world.open(world.task(consent_ms=1000, commit_ms=2000, score_ms=3000, seal_ms=4000))
    ends = []
    for go_on in (
        lambda: None,
        lambda: world.consent(session),
        lambda: world.commit(session),
        lambda: world.score(session),
    ):
        world.now_ms += 10
        go_on()
        ends.append(world.session(session).deadline_ms - world.now_ms)
    assert ends == [1000 - 10, 2000, 3000, 4000]
    world.now_ms = world.session(session).deadline_ms + 1
    world.post("super", Tick(phase=Phase.SEAL, view=0), world.session(session))
    assert world.session(session).deadline_ms == world.now_ms + 4000


def test_what_comes_after_a_stages_end_is_refused_though_nobody_has_ticked(world: World) -> None:
    session = world.open()
    posts = (
        lambda: ("c", Consent(answer=True)),
        lambda: ("c", world.commitment(session, "c")),
        lambda: ("c", world.sheet(session, "c")),
    )
    for post, finish in zip(posts, (world.consent, world.commit, world.score), strict=True):
        finish(session, "a", "b")
        in_time, world.now_ms = world.now_ms, world.session(session).deadline_ms + 1
        author, body = post()
        assert world.code(author, body, world.session(session)) == "too-late"
        world.now_ms = in_time
        finish(session, "c")


def test_too_few_models_abort_with_a_reason(world: World) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session, "a")
    world.now_ms = world.session(session).deadline_ms + 1
    world.post("super", Tick(phase=Phase.COMMIT, view=0), world.session(session))
    ended = world.session(session)
    assert ended.phase is Phase.ABORTED
    assert ended.abort_reason == "1 of 3 providers committed a model in time, 2 needed"
    assert {name: world.application.conduct(node(name)).strikes for name in "abc"} == {"a": 0, "b": 1, "c": 1}


def test_too_few_who_could_score_abort_with_a_reason() -> None:
    world = World(providers=tuple("abcde"))
    world.settle_in()
    session = world.open()
    world.consent(session)
    world.commit(session, "a", "b")
    world.now_ms = world.session(session).deadline_ms + 1
    world.post("super", Tick(phase=Phase.COMMIT, view=0), world.session(session))
    ended = world.session(session)
    assert ended.phase is Phase.ABORTED
    assert ended.abort_reason == "3 of 6 members are present, 4 needed"


def test_a_silent_leader_is_followed_by_the_next_in_rank(world: World) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    first = world.leader_name(session)
    for view in range(4):
        assert world.session(session).view == view
        world.now_ms = world.session(session).deadline_ms + 1
        world.post("super", Tick(phase=Phase.SEAL, view=view), world.session(session))
        if view == 0:
            assert world.leader_name(session) != first
    assert world.session(session).phase is Phase.ABORTED
    assert {world.application.conduct(node(name)).strikes for name in (*world.providers, "super")} == {1}


def test_scores_by_too_few_abort(world: World) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session, "a", "b")
    world.now_ms = world.session(session).deadline_ms + 1
    world.post("super", Tick(phase=Phase.SCORE, view=0), world.session(session))
    assert world.session(session).phase is Phase.ABORTED
    assert "2 of 4 members scored in time, 3 needed" in world.session(session).abort_reason


def test_a_copied_commitment_is_refused(world: World) -> None:
    session = world.open()
    world.consent(session)
    world.commit(session, "a")
    assert world.code("b", world.commitment(session, "a"), world.session(session)) == "copied-commitment"


def test_nobody_posts_twice_or_out_of_place(world: World) -> None:
    session = world.open()
    world.consent(session, "a")
    assert world.code("a", Consent(answer=False, reason="x"), world.session(session)) == "already-posted"
    assert world.code("asker", Consent(answer=True), world.session(session)) == "not-a-member"
    assert world.code("b", world.commitment(session, "b"), world.session(session)) == "wrong-phase"


def test_only_the_requester_gives_up(world: World) -> None:
    session = world.open()
    assert world.code("a", AbortRequest(reason="no"), world.session(session)) == "not-allowed"
    world.post("asker", AbortRequest(reason="changed my mind"), world.session(session))
    assert world.session(session).abort_reason == "the requester gave up: changed my mind"


def test_default_deny_no_rule_no_seat(world: World) -> None:
    world.post("c", SetPolicy(policy=Policy(version=2)))
    session = world.open()
    assert node("c") not in world.session(session).drawn
    world.post("b", SetPolicy(policy=Policy(version=2)))
    body = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=b"n" * 16)
    assert world.code("asker", body) == "no-provider"


def test_who_has_withdrawn_is_not_found_and_not_served_from_the_cache(world: World) -> None:
    session = world.open()
    sealed = world.run(session)
    lookup = (sealed.task.cache_key(0), node("asker"), "testing", world.now_ms)
    assert world.application.cache_lookup(*lookup) == session
    world.now_ms += 10
    world.post("a", Withdraw(issued_ms=1))
    assert world.application.cache_lookup(*lookup) is None
    assert node("a") not in world.session(world.open(nonce=b"2" * 16)).drawn


def test_a_cached_model_is_served_only_where_every_current_policy_allows_it(world: World) -> None:
    """Contradiction 10: the paper gives a cached model to any requester."""
    sealed = world.run(world.open())
    lookup = (sealed.task.cache_key(0), node("asker"))
    assert world.application.cache_lookup(*lookup, "testing", world.now_ms) == sealed.id
    world.post("b", SetPolicy(policy=Policy(version=2, rules=(replace(LIBERAL, purposes=("research",)),))))
    assert world.application.cache_lookup(*lookup, "testing", world.now_ms) is None
    assert world.application.cache_lookup(*lookup, "research", world.now_ms) == sealed.id
    stale = world.now_ms + world.genesis.parameters.cache_ms + 1
    assert world.application.cache_lookup(*lookup, "research", stale) is None


def test_two_statements_where_one_is_allowed_exclude_their_author(world: World) -> None:
    session = world.open()
    items = tuple(world.signed("a", Consent(answer=answer), world.session(session)) for answer in (True, False))
    evidence = ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("a"), items=items)
    same = ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("a"), items=items[:1] * 2)
    other = ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("b"), items=items)
    assert world.code("b", same) == "no-proof"
    assert world.code("c", other) == "no-proof"
    world.post("b", evidence)
    assert world.code("a", Consent(answer=True), world.session(session)) == "excluded-member"


@settings(max_examples=25)
@given(order=st.permutations(["a", "b", "c", "super"]), missing=st.sampled_from(["", "a", "b", "c"]))
def test_the_order_of_posts_changes_nothing(order: list[str], missing: str) -> None:
    """I4, I5: what is accepted was committed; the block is the same whatever the order."""
    blocks = []
    for names in (order, sorted(order)):
        world = World()
        world.settle_in()
        session = world.open()
        world.consent(session, *[name for name in names if name != "super"])
        present = [name for name in names if name != missing]
        world.commit(session, *[name for name in present if name != "super"])
        if missing:
            world.now_ms = world.session(session).deadline_ms + 1
            world.post("super", Tick(phase=Phase.COMMIT, view=0), world.session(session))
        world.score(session, *present)
        record = world.session(session)
        assert record.judgement is not None
        assert set(record.judgement.accepted) <= set(record.commits)
        for posted in (record.consents, record.commits, record.scores):
            assert list(posted) == sorted(posted)
        blocks.append(expected_block(record, bytes(32), 1))
    assert blocks[0] == blocks[1]


@given(st.integers(1, 200))
def test_two_quorums_share_an_honest_member_and_the_honest_alone_are_enough(members: int) -> None:
    faults, needed = faults_tolerated(members), quorum(members)
    assert 3 * faults < members
    assert 2 * needed - members > faults
    assert members - faults >= needed


def test_every_transition_leads_on_to_an_end() -> None:
    """I6: exactly one end per session."""
    ends = {Phase.SEALED, Phase.ABORTED}
    starts = {before for before, _, _ in TRANSITIONS}
    assert not starts & ends
    assert {after for _, after, _ in TRANSITIONS} - starts == ends


def test_requests_run_side_by_side() -> None:
    """Contradiction 11: two committees at once do not make two next blocks."""
    world = World()
    world.settle_in()
    first, second = world.open(), world.open(nonce=b"2" * 16)
    assert world.run(second).poq_height == 1
    assert world.run(first).poq_height == 2
    entry = world.application.poq_entry(2)
    assert entry is not None
    assert entry.session == first
    assert entry.previous == world.application.poq_entry(1).digest  # type: ignore[union-attr]
