"""The replicated state machine: what it takes, what it refuses, and that everyone comes to the same state."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import ADMIN, LIBERAL, SEALING, START_MS, World, key, node

from comitia.core.codec import digest
from comitia.core.crypto import SigningKey
from comitia.core.envelope import Envelope
from comitia.core.errors import DamagedError, ProtocolError
from comitia.ledger import merkle
from comitia.ledger.application import Application
from comitia.ledger.block import Block, BlockHeader
from comitia.ledger.genesis import DAY_MS, Role, revocation_digest, sign_as_admin
from comitia.ledger.policy import fitting_rule
from comitia.ledger.proof import Proof, make_proof, verify_proof
from comitia.ledger.records import Conduct
from comitia.ledger.state import State
from comitia.ledger.transactions import (
    OpenRequest,
    Policy,
    RegisterCodebook,
    RegisterMember,
    RegisterProfile,
    RevokeMember,
    RotateKey,
    SetPolicy,
    Withdraw,
    parse,
    rotation_digest,
    sign_transaction,
)
from comitia.retrieval.profile import RetrievalRecord


def request(world: World, **changes: object) -> OpenRequest:
    return OpenRequest(task=world.task(**changes), issued_ms=world.now_ms, nonce=b"n" * 16)


def test_replaying_the_blocks_gives_the_same_state(world: World) -> None:
    again = World()
    again.settle_in()
    assert again.application.state_root == world.application.state_root
    world.run(world.open())
    assert again.application.state_root != world.application.state_root
    again.run(again.open())
    assert again.application.state_root == world.application.state_root


def test_an_empty_block_leaves_the_state_as_it_was(world: World) -> None:
    before = world.application.state_root
    assert world.block().state_root == before


def test_a_kept_state_loads_to_the_same_root(world: World) -> None:
    kept = World()
    writes = {}
    original = kept.application.apply

    def remember(*arguments: object, **named: object) -> object:
        applied = original(*arguments, **named)  # type: ignore[arg-type]
        writes.update({(write.table, write.key): write for write in applied.writes})
        return applied

    kept.application.apply = remember  # type: ignore[method-assign, assignment]
    kept.settle_in()
    session = kept.open()
    fresh = Application(kept.genesis)
    fresh.load(write for write in writes.values() if write.value is not None)
    assert fresh.state_root == kept.application.state_root
    fresh.resume_at(kept.now_ms)
    assert [open_.id for open_ in fresh.open_sessions()] == [session]
    assert fresh.profiles() == kept.application.profiles()


def test_check_changes_nothing_and_agrees_with_apply(world: World) -> None:
    before = world.application.state_root
    good = world.signed("asker", request(world))
    world.application.check(good, world.now_ms, height=world.height + 1)
    bad = world.signed("asker", request(world, kappa=0))
    with pytest.raises(ProtocolError):
        world.application.check(bad, world.now_ms, height=world.height + 1)
    assert world.block().state_root == before
    results = world.block(bad, good).results
    assert [result.code for result in results] == ["wrong-kappa", ""]


def test_a_transaction_is_taken_once(world: World) -> None:
    data = world.signed("asker", request(world))
    assert [result.code for result in world.block(data, data).results] == ["", "on-ledger"]
    assert world.block(data).results[0].code == "on-ledger"


def test_garbage_in_a_block_stops_nothing(world: World) -> None:
    good = world.signed("asker", request(world))
    codes = [result.code for result in world.block(b"", b"\xff" * 40, good[:-1], good).results]
    assert codes[-1] == ""
    assert all(codes[:-1])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kappa": 0}, "wrong-kappa"),
        ({"learner": "oracle"}, "unknown-learner"),
        ({"kind": "regression"}, "unknown-learner"),
        ({"codebook": bytes(32)}, "unknown-codebook"),
        ({"providers_max": 128}, "out-of-bounds"),
        ({"categories": ("nobody's",)}, "no-provider"),
        ({"leaves": (2, 1)}, "out-of-bounds"),
        ({"leaves": (1, 1)}, "out-of-bounds"),
        ({"leaves": (0, 3)}, "unknown-leaf"),
        ({"leaves": (-1,)}, "unknown-leaf"),
        ({"leaves": (2,)}, "no-provider"),
        ({"providers_min": 4, "providers_max": 9}, "no-provider"),
        ({"epsilon_micro": 10**8}, "no-provider"),
        ({"epsilon_micro": 0}, "out-of-bounds"),
    ],
)
def test_a_task_that_cannot_be_is_refused(world: World, change: dict[str, object], code: str) -> None:
    assert world.code("asker", request(world, **change)) == code


def test_a_leaf_asked_for_decides_who_is_drawn(world: World) -> None:
    """Leaf 1 stands for category y here; a number asks for its providers as the name does."""
    sessions = []
    for asked in ({"leaves": (1,)}, {"categories": ("y",)}):
        (opened,) = world.post("asker", request(world, **asked)).changed_sessions
        sessions.append(world.application.session(opened))
    numbered, named = sessions
    assert numbered is not None
    assert named is not None
    assert set(numbered.drawn) == set(named.drawn)


def test_a_rule_for_some_categories_does_not_allow_a_leaf_without_one(world: World) -> None:
    policy = Policy(version=1, rules=(replace(LIBERAL, categories=("x",)),))
    named = request(world, categories=("x",)).task
    for task, allowed in ((named, True), (replace(named, leaves=(2,)), False)):
        rule = fitting_rule(policy, requester=node("asker"), organisation="org-asker", task=task)
        assert (rule is not None) == allowed


def test_the_categories_asked_for_decide_who_is_drawn(world: World) -> None:
    record = RetrievalRecord(
        provider=node("c"), codebook=world.task().codebook, epsilon_micro=10**6, histogram=(0, 0, 100)
    )
    world.post("c", RegisterProfile(record=record))
    drawn = world.session(world.open(world.task(categories=("x",)))).drawn
    assert set(drawn) == {node("a"), node("b")}


def test_an_epoch_keeps_the_profiles_that_stood_when_it_began(world: World) -> None:
    first = world.application.profiles()
    assert world.application.profiles_before(0) == ()
    assert world.application.profiles_before(1) == first
    world.now_ms += DAY_MS
    (a, b, c) = first
    newer, newest = (replace(a, histogram=(10, count, 0)) for count in (90, 95))
    world.post("a", RegisterProfile(record=newer))
    world.post("a", RegisterProfile(record=newest))
    world.post("b", Withdraw())
    assert world.application.profiles() == (newest, c)
    assert world.application.profiles_before(1) == first
    assert world.application.profiles_before(2) == (newest, c)
    world.now_ms += DAY_MS
    world.post("b", RegisterProfile(record=b))
    assert world.application.profiles_before(2) == (newest, c)


def test_one_seat_an_organisation_and_none_for_the_requester(world: World) -> None:
    world.admit("both", Role.PROVIDER, Role.REQUESTER)
    record = replace(world.application.profile(node("a")), provider=node("both"))  # type: ignore[type-var]
    world.post("both", RegisterProfile(record=record))  # type: ignore[arg-type]
    world.post("both", SetPolicy(policy=Policy(version=1, rules=(LIBERAL,))))
    applied = world.post("both", request(world))
    assert node("both") not in world.session(applied.changed_sessions[0]).drawn


def test_strangers_wrong_chains_and_wrong_epochs_are_refused(world: World) -> None:
    assert world.code("nobody", request(world)) == "unknown-member"
    assert world.code("a", request(world)) == "not-allowed"
    foreign = sign_transaction(request(world), chain="0" * 16, epoch=0, sender=node("asker"), key=key("asker"))
    assert world.block(foreign.to_bytes()).results[0].code == "foreign-chain"
    early = world.signed("asker", request(world), epoch=7)
    assert world.block(early).results[0].code == "wrong-epoch"
    forged = sign_transaction(
        request(world), chain=world.genesis.chain, epoch=0, sender=node("asker"), key=key("asker")
    )
    broken = Envelope(header=forged.header, payload=forged.payload, signature=bytes(64))
    assert world.block(broken.to_bytes()).results[0].code == "bad-signature"


def test_an_old_request_cannot_be_brought_later(world: World) -> None:
    data = world.signed("asker", request(world))
    world.now_ms += world.genesis.parameters.request_window_ms + 1
    assert world.block(data).results[0].code == "wrong-time"


def test_membership_needs_the_administrators(world: World) -> None:
    membership = world.membership("mallory", ("provider",))
    forged = replace(membership, signatures=(sign_as_admin(key("mallory"), membership.credential.digest),))
    assert world.code("mallory", RegisterMember(membership=forged)) == "too-few-admin-signatures"
    assert world.code("a", RegisterMember(membership=world.membership("a", ("provider",)))) == "on-ledger"


def test_a_revoked_member_is_out_from_the_next_epoch_on(world: World) -> None:
    reason = "left"
    signature = sign_as_admin(ADMIN, revocation_digest(world.genesis.chain, node("c"), reason))
    world.post("a", RevokeMember(node=node("c"), reason=reason, signatures=(signature,)))
    assert node("c") in world.session(world.open()).drawn
    world.now_ms = START_MS + DAY_MS + 5
    assert node("c") not in world.session(world.open()).drawn
    assert world.code("c", Withdraw(issued_ms=1)) == "excluded-member"


def test_a_rotated_key_signs_from_the_next_epoch_on(world: World) -> None:
    new = SigningKey.from_bytes(digest(b"new"))
    chain = world.genesis.chain
    proof = new.sign(rotation_digest(chain, node("a"), new.public, SEALING.public))
    world.post("a", RotateKey(signing_key=new.public, sealing_key=SEALING.public, proof=proof))
    assert world.code("a", Withdraw(issued_ms=1)) == ""
    world.now_ms = START_MS + DAY_MS + 5
    assert world.code("a", SetPolicy(policy=Policy(version=2))) == "bad-signature"
    later = sign_transaction(SetPolicy(policy=Policy(version=2)), chain=chain, epoch=1, sender=node("a"), key=new)
    assert world.block(later.to_bytes()).results[0].code == ""


def test_a_policy_cannot_be_played_back(world: World) -> None:
    world.post("a", SetPolicy(policy=Policy(version=3)))
    assert world.code("a", SetPolicy(policy=Policy(version=2))) == "old-policy"


def test_profiles_must_fit(world: World) -> None:
    record = world.application.profile(node("a"))
    assert record is not None
    assert world.code("b", RegisterProfile(record=record)) == "foreign-profile"
    wrong = replace(record, histogram=(1, 2))
    assert world.code("a", RegisterProfile(record=wrong)) == "unknown-codebook"


def test_only_super_nodes_publish_codebooks_by_themselves(world: World) -> None:
    body = RegisterCodebook(digest=digest(b"other"), size=1, references=0, leaf_labels=())
    assert world.code("a", body) == "too-few-admin-signatures"
    world.post("super", body)
    assert [entry.number for entry in world.application.codebooks()] == [1, 2]


# --- the state's root ---------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 5)), max_size=30))
def test_the_root_depends_on_the_values_alone(changes: list[tuple[str, int | None]]) -> None:
    state = State({"conduct": Conduct})
    for name, accepted in changes:
        state.put("conduct", name, None if accepted is None else Conduct(accepted=accepted))
        state.commit()
    direct = State({"conduct": Conduct})
    for name, value in dict(changes).items():
        direct.put("conduct", name, None if value is None else Conduct(accepted=value))
    direct.commit()
    assert state.root == direct.root


def test_what_is_dropped_leaves_no_trace() -> None:
    state = State({"conduct": Conduct})
    state.put("conduct", "a", Conduct(led=1))
    state.commit()
    root = state.root
    state.put("conduct", "a", Conduct(led=2))
    state.put("conduct", "b", Conduct())
    state.drop()
    assert state.commit() == ()
    assert state.root == root
    assert state.get("conduct", "a") == Conduct(led=1)


# --- Merkle trees and proofs ------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=33), st.data())
def test_every_leaf_has_a_path_and_no_other_passes(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, root = merkle.path(leaves, index), merkle.root(leaves)
    assert merkle.verify(leaves[index], index, len(leaves), path, root)
    assert not merkle.verify(leaves[index] + b"!", index, len(leaves), path, root)
    assert not merkle.verify(leaves[index], index, len(leaves), (*path, bytes(32)), root)
    if path:
        assert not merkle.verify(leaves[index], index, len(leaves), path[:-1], root)


def test_an_inner_node_does_not_pass_for_a_leaf() -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    inner = merkle.leaf_hash(b"a") + merkle.leaf_hash(b"b")
    assert not merkle.verify(inner, 0, 2, merkle.path(leaves, 0)[1:], merkle.root(leaves))


def test_known_roots() -> None:
    """RFC 6962's hashes, worked out by hand with another program."""
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root([b""]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


MODEL = b"model"


@pytest.fixture
def proof(world: World) -> Proof:
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    body = world.seal_body(session, model=digest(MODEL))
    name = world.leader_name(session)
    data = world.signed(name, body, world.session(session))
    applied = world.block(world.signed("a", Withdraw(issued_ms=2)), data)
    assert applied.results[1].code == ""
    transactions = (world.signed("a", Withdraw(issued_ms=2)), data)
    header = BlockHeader(
        chain=world.genesis.chain,
        height=9,
        time_ms=world.now_ms,
        previous=bytes(32),
        transactions_root=merkle.root(transactions),
        state_root=applied.state_root,
        proposer=node("super"),
        epoch=0,
    )
    block = Block.sign(header, transactions, key("super"))
    members = {n: world.application.member(n) for n in world.session(session).members}
    return make_proof(
        header=header,
        signature=block.signature,
        transactions=transactions,
        index=1,
        members=members,  # type: ignore[arg-type]
    )


def test_a_proof_holds_offline_for_its_model_alone(world: World, proof: Proof) -> None:
    again = Proof.from_bytes(proof.to_bytes())
    verified = verify_proof(again, world.genesis, MODEL)
    assert verified.model == digest(MODEL)
    assert set(verified.accepted) == {node(name) for name in world.providers}
    with pytest.raises(DamagedError) as caught:
        verify_proof(proof, world.genesis, b"medal")
    assert caught.value.code == "model-mismatch"


@pytest.mark.parametrize(
    "change",
    [
        {"signature": bytes(64)},
        {"index": 0},
        {"size": 3},
        {"path": ()},
        {"parties": ()},
    ],
)
def test_a_proof_that_was_tampered_with_does_not_hold(world: World, proof: Proof, change: dict[str, object]) -> None:
    with pytest.raises(DamagedError):
        verify_proof(replace(proof, **change), world.genesis, MODEL)  # type: ignore[arg-type]


def test_a_proof_does_not_hold_under_another_genesis(world: World, proof: Proof) -> None:
    other = replace(world.genesis, chain_name="other")
    with pytest.raises(DamagedError) as caught:
        verify_proof(proof, other, MODEL)
    assert caught.value.code == "foreign-proof"


def test_an_outsiders_header_does_not_hold(world: World, proof: Proof) -> None:
    header = replace(proof.header, proposer=node("a"))
    signed = replace(proof, header=header, signature=key("a").sign(header.digest))
    with pytest.raises(DamagedError) as caught:
        verify_proof(signed, world.genesis, MODEL)
    assert caught.value.code == "bad-header"


@given(st.data())
def test_a_flipped_bit_in_a_proof_is_noticed(data: st.DataObject) -> None:
    world = World()
    world.settle_in()
    good = Proof.from_bytes(_PROOF_BYTES or _make_proof_bytes())
    raw = bytearray(good.to_bytes())
    position = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[position // 8] ^= 1 << position % 8
    with pytest.raises(DamagedError):
        verify_proof(Proof.from_bytes(bytes(raw)), world.genesis, MODEL)


_PROOF_BYTES = b""


def _make_proof_bytes() -> bytes:
    global _PROOF_BYTES
    world = World()
    world.settle_in()
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    data = world.signed("a", world.seal_body(session, model=digest(MODEL)), world.session(session))
    parse(data)
    header = BlockHeader(
        chain=world.genesis.chain,
        height=9,
        time_ms=world.now_ms,
        previous=bytes(32),
        transactions_root=merkle.root((data,)),
        state_root=bytes(32),
        proposer=node("super"),
        epoch=0,
    )
    members = {n: world.application.member(n) for n in world.session(session).members}
    made = make_proof(
        header=header,
        signature=key("super").sign(header.digest),
        transactions=(data,),
        index=0,
        members=members,  # type: ignore[arg-type]
    )
    _PROOF_BYTES = made.to_bytes()
    return _PROOF_BYTES
