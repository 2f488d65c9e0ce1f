"""Who may act on the ledger and when: epochs, keys, revocation, seats, strikes, evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import ADMIN, SEALING, START_MS, World, key, node

from comitia.core.codec import digest
from comitia.core.crypto import SigningKey, can_be_sealed_for, seal
from comitia.core.errors import DamagedError, ProtocolError
from comitia.ledger.block import BlockHeader
from comitia.ledger.genesis import (
    DAY_MS,
    Membership,
    Parameters,
    Role,
    codebook_digest,
    revocation_digest,
    sign_as_admin,
)
from comitia.ledger.merkle import root
from comitia.ledger.proof import Proof, make_proof, verify_proof
from comitia.ledger.requests import MAX_OPEN_REQUESTS
from comitia.ledger.session import Phase, block_digest, expected_block
from comitia.ledger.transactions import (
    AbortRequest,
    Consent,
    EvidenceKind,
    OpenRequest,
    Policy,
    RecordReuse,
    RegisterCodebook,
    RegisterMember,
    ReportEvidence,
    RevokeMember,
    RotateKey,
    SealBlock,
    SetPolicy,
    Tick,
    Withdraw,
    parse,
    rotation_digest,
    sign_transaction,
)

NEW_KEY = SigningKey.from_bytes(digest(b"new"))
MODEL = b"model"
FIELD = 2**255 - 19


def revocation(world: World, name: str) -> RevokeMember:
    signature = sign_as_admin(ADMIN, revocation_digest(world.genesis.chain, node(name), "left"))
    return RevokeMember(node=node(name), reason="left", signatures=(signature,))


def rotation(world: World, name: str, sealing: bytes = SEALING.public) -> RotateKey:
    wanted = rotation_digest(world.genesis.chain, node(name), NEW_KEY.public, sealing)
    return RotateKey(signing_key=NEW_KEY.public, sealing_key=sealing, proof=NEW_KEY.sign(wanted))


# --- epochs and revocation ----------------------------------------------------------------------------


def test_a_revocation_played_back_does_not_put_the_end_off(world: World) -> None:
    world.post("a", revocation(world, "c"))
    assert world.code("b", revocation(world, "c")) == "already-there"
    world.now_ms = START_MS + 3 * DAY_MS
    assert world.code("b", revocation(world, "c")) == "already-there"
    assert world.code("c", Withdraw()) == "excluded-member"


def test_a_revoked_member_cannot_go_on_by_naming_the_epoch_before(world: World) -> None:
    world.post("a", revocation(world, "c"))
    world.now_ms = START_MS + DAY_MS + 5
    assert world.block(world.signed("c", Withdraw(), epoch=0)).results[0].code == "excluded-member"


def test_what_was_signed_just_before_an_epoch_ended_is_taken_for_a_moment(world: World) -> None:
    world.now_ms = START_MS + DAY_MS + 5
    assert world.block(world.signed("a", Withdraw(issued_ms=1), epoch=0)).results[0].code == ""
    world.now_ms += world.genesis.parameters.request_window_ms
    assert world.block(world.signed("b", Withdraw(issued_ms=1), epoch=0)).results[0].code == "wrong-epoch"


def test_a_session_goes_on_into_the_next_epoch_with_its_own_keys(world: World) -> None:
    """I11: a signature is judged at its session's epoch."""
    world.now_ms = START_MS + DAY_MS - 10
    session = world.open()
    world.post("a", rotation(world, "a"))
    world.post("b", revocation(world, "b"))
    world.now_ms = START_MS + DAY_MS + 10
    assert world.run(session).phase is Phase.SEALED


def test_a_revoked_provider_is_not_drawn_by_a_request_of_the_epoch_before(world: World) -> None:
    world.post("a", revocation(world, "c"))
    world.now_ms = START_MS + DAY_MS + 5
    body = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=bytes(16))
    opened = world.block(world.signed("asker", body, epoch=0)).changed_sessions[0]
    assert node("c") not in world.session(opened).drawn
    assert world.session(opened).epoch == 1


def test_a_rotation_is_dated_by_its_own_epoch(world: World) -> None:
    world.now_ms = START_MS + DAY_MS + 5
    assert world.block(world.signed("a", rotation(world, "a"), epoch=0)).results[0].code == "wrong-epoch"


def test_a_rotation_needs_the_new_keys_owner(world: World) -> None:
    forged = replace(rotation(world, "a"), proof=key("a").sign(b"mine"))
    assert world.code("a", forged) == "bad-signature"
    assert world.code("b", rotation(world, "a")) == "bad-signature"


def test_an_approval_of_a_codebook_is_no_approval_of_a_member(world: World) -> None:
    """An administrator who signs a digest must know what kind of thing it signs."""
    credential = world.membership("mallory", (Role.PROVIDER.value,)).credential
    book = credential.digest
    approval = sign_as_admin(ADMIN, codebook_digest(world.genesis.chain, book))
    body = RegisterCodebook(digest=book, size=1, references=0, leaf_labels=("x",), signatures=(approval,))
    world.post("a", body)
    membership = replace(world.membership("mallory", ()), credential=credential, signatures=(approval,))
    assert world.code("mallory", RegisterMember(membership=membership)) == "too-few-admin-signatures"


# --- seats --------------------------------------------------------------------------------------------


def test_one_vote_an_organisation_also_among_witnesses(world: World) -> None:
    """One seat and one vote per organisation in a committee."""
    for name, organisation in (("w1", "org-a"), ("w2", "elsewhere"), ("w3", "elsewhere")):
        credential = replace(world.membership(name, (Role.WITNESS.value,)).credential, organisation=organisation)
        membership = replace(
            world.membership(name, ()), credential=credential, signatures=(sign_as_admin(ADMIN, credential.digest),)
        )
        world.post(name, RegisterMember(membership=membership))
    session = world.session(world.open())
    seated = [world.application.member(name).organisation for name in (*session.drawn, *session.witnesses)]  # type: ignore[union-attr]
    assert len(seated) == len(set(seated))
    assert len(session.witnesses) == 2


def test_who_withdraws_in_the_same_block_is_not_drawn(world: World) -> None:
    body = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=bytes(16))
    applied = world.block(world.signed("a", Withdraw()), world.signed("asker", body))
    assert node("a") not in world.session(applied.changed_sessions[0]).drawn


def test_strikes_keep_a_node_out_until_the_next_epoch() -> None:
    world = World(parameters=Parameters(strikes_limit=1))
    world.settle_in()
    session = world.open()
    world.consent(session)
    world.commit(session, "a", "b")
    world.now_ms = world.session(session).deadline_ms + 1
    world.post("super", Tick(phase=Phase.COMMIT, view=0), world.session(session))
    assert world.application.conduct(node("c")).strikes == 1
    assert node("c") not in world.session(world.open(nonce=b"2" * 16)).drawn
    world.now_ms = START_MS + DAY_MS + 1
    assert node("c") in world.session(world.open(nonce=b"3" * 16)).drawn


def test_a_requester_cannot_flood_the_providers(world: World) -> None:
    opened = [world.open(nonce=bytes([number]) * 16) for number in range(MAX_OPEN_REQUESTS)]
    body = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=b"x" * 16)
    assert world.code("asker", body) == "too-many-requests"
    world.post("asker", AbortRequest(reason="enough"), world.session(opened[0]))
    assert world.code("asker", body) == ""


# --- cache records and evidence -----------------------------------------------------------------------


def asked(world: World, nonce: bytes) -> bytes:
    return world.signed("asker", OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=nonce))


def test_a_request_is_answered_once_by_a_session_or_by_the_cache(world: World) -> None:
    sealed = world.run(world.open())
    request = asked(world, b"2" * 16)
    record = RecordReuse(request=request, source=sealed.id)
    assert world.code("a", record) == "not-allowed"
    world.post("super", record)
    assert world.code("super", record) == "on-ledger"
    assert world.block(request).results[0].code == "already-there"
    other = asked(world, b"3" * 16)
    assert world.block(other).results[0].code == ""
    assert world.code("super", RecordReuse(request=other, source=sealed.id)) == "already-there"


def test_an_old_request_cannot_be_recorded_as_answered(world: World) -> None:
    sealed = world.run(world.open())
    request = asked(world, b"2" * 16)
    world.now_ms += world.genesis.parameters.request_window_ms + 1
    assert world.code("super", RecordReuse(request=request, source=sealed.id)) == "wrong-time"


def test_nothing_signed_elsewhere_is_evidence(world: World) -> None:
    """I10: an honest node is never named in proven evidence."""
    session = world.session(world.open())

    def said(answer: bool, **place: object) -> bytes:
        fields: dict[str, object] = {"chain": world.genesis.chain, "epoch": session.epoch, "session": session.id}
        envelope = sign_transaction(
            Consent(answer=answer),
            sender=node("a"),
            key=key("a"),
            **{**fields, **place},  # type: ignore[arg-type]
        )
        return envelope.to_bytes()

    for second in (said(False, chain="0" * 16), said(False, epoch=3), said(False, session=digest(b"another"))):
        evidence = ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("a"), items=(said(True), second))
        assert world.code("b", evidence) == "no-proof"
    again = (
        world.signed("a", SetPolicy(policy=Policy(version=8))),
        world.signed("a", SetPolicy(policy=Policy(version=9))),
    )
    assert world.code("b", ReportEvidence(kind=EvidenceKind.EQUIVOCATION, accused=node("a"), items=again)) != ""
    assert world.code("a", Consent(answer=True), session) == ""


# --- proofs over rotated keys -------------------------------------------------------------------------


def rotated_proof(world: World, signer: SigningKey) -> Proof:
    """A session sealed after provider a and the super node have rotated to the same test key."""
    for name in ("a", "super"):
        world.post(name, rotation(world, name))
    world.now_ms = START_MS + DAY_MS + 5
    session = world.session(world.open())

    def signed(name: str, body: object) -> bytes:
        current = NEW_KEY if name in ("a", "super") else key(name)
        return sign_transaction(
            body,  # type: ignore[arg-type]
            chain=world.genesis.chain,
            epoch=1,
            sender=node(name),
            key=current,
            session=session.id,
        ).to_bytes()

    for name in world.providers:
        assert world.block(signed(name, Consent(answer=True))).results[0].code == ""
    for name in world.providers:
        world.block(signed(name, world.commitment(session.id, name)))
    for name in (*world.providers, "super"):
        world.block(signed(name, world.sheet(session.id, name)))
    block = expected_block(world.session(session.id), digest(MODEL), len(MODEL))
    keys = {name: NEW_KEY if name in ("a", "super") else key(name) for name in (*world.providers, "super")}
    votes = sorted((node(name), pen.sign(block_digest(block))) for name, pen in keys.items())
    seal = signed("b", SealBlock(block=block, certificate=tuple(votes)))
    assert world.block(seal).results[0].code == ""
    header = BlockHeader(
        chain=world.genesis.chain,
        height=world.height,
        time_ms=world.now_ms,
        previous=bytes(32),
        transactions_root=root((seal,)),
        state_root=bytes(32),
        proposer=node("super"),
        epoch=1,
    )
    members = {name: world.application.member(name) for name in (*block.members, node("super"))}
    return make_proof(
        header=header,
        signature=signer.sign(header.digest),
        transactions=(seal,),
        index=0,
        members=members,  # type: ignore[arg-type]
    )


def test_a_proof_follows_rotated_keys_offline(world: World) -> None:
    proof = rotated_proof(world, NEW_KEY)
    assert verify_proof(Proof.from_bytes(proof.to_bytes()), world.genesis, MODEL).height == world.height
    without = tuple(replace(party, rotations=()) for party in proof.parties)
    with pytest.raises(DamagedError):
        verify_proof(replace(proof, parties=without), world.genesis, MODEL)


def test_a_key_that_was_rotated_away_signs_no_more_blocks(world: World) -> None:
    with pytest.raises(DamagedError):
        verify_proof(rotated_proof(world, key("super")), world.genesis, MODEL)


def test_an_id_does_not_depend_on_the_signature(world: World) -> None:
    """A transaction's id covers what was signed, so no second valid signature makes a second transaction."""
    envelope, _ = parse(world.signed("a", Withdraw(issued_ms=1)))
    assert replace(envelope, signature=bytes(64)).digest == envelope.digest


UNUSABLE = [
    0, 1, FIELD - 1, FIELD, FIELD + 1, 2**255, 2**255 + 1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
]  # fmt: skip


@pytest.mark.parametrize("coordinate", UNUSABLE)
def test_a_sealing_key_that_seals_nothing_is_refused(world: World, coordinate: int) -> None:
    key_bytes = coordinate.to_bytes(32, "little")
    with pytest.raises(ProtocolError, match="nothing can be sealed"):
        seal(key_bytes, b"", info=b"")
    rotated = rotation(world, "a", key_bytes)
    credential = replace(world.membership("newcomer", ("provider",)).credential, sealing_key=key_bytes)
    membership = Membership(credential=credential, signatures=(sign_as_admin(ADMIN, credential.digest),))
    assert world.code("a", rotated) == world.code("newcomer", RegisterMember(membership=membership)) == "bad-key"


@given(st.binary(min_size=32, max_size=32))
def test_what_can_be_sealed_for_is_what_sealing_takes(key_bytes: bytes) -> None:
    try:
        seal(key_bytes, b"", info=b"")
    except ProtocolError:
        assert not can_be_sealed_for(key_bytes)
    else:
        assert can_be_sealed_for(key_bytes)
