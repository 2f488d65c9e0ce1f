"""A forked ledger: which headers contradict each other, and what a proof must hold to convince a stranger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from world import SEALING, World, genesis, key, node

from comitia.core.crypto import SigningKey
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.ledger.block import BlockHeader, SignedHeader
from comitia.ledger.fork import ForkProof, contradict, verify_fork
from comitia.ledger.genesis import Role
from comitia.ledger.records import Member
from comitia.ledger.transactions import RotateKey, rotation_digest

GENESIS = genesis()


def nobody(_: NodeId) -> Member | None:
    return None


def header(height: int = 5, **changes: Any) -> BlockHeader:
    plain = BlockHeader(
        chain=GENESIS.chain,
        height=height,
        time_ms=GENESIS.created_ms + height,
        previous=bytes([height - 1]) * 32,
        transactions_root=bytes(32),
        state_root=bytes(32),
        proposer=node("super"),
        epoch=0,
    )
    return replace(plain, **changes)


def signed(of: BlockHeader, by: SigningKey | None = None) -> SignedHeader:
    return SignedHeader(header=of, signature=(by or key("super")).sign(of.digest))


OTHER = {"state_root": b"\x01" * 32}


def test_two_headers_of_one_height_contradict_each_other_unless_they_are_one() -> None:
    assert contradict(header(), header(**OTHER))
    assert not contradict(header(), header())


def test_a_header_that_does_not_name_the_one_below_contradicts_it() -> None:
    below = header(4)
    assert contradict(below, header(5)) and contradict(header(5), below)
    assert not contradict(below, header(5, previous=below.digest))


def test_nothing_is_said_of_headers_with_blocks_between() -> None:
    assert not contradict(header(4), header(6))


def test_a_proof_convinces_whoever_has_the_genesis_and_nothing_else() -> None:
    proof = ForkProof.of(signed(header()), signed(header(**OTHER)), nobody)
    verify_fork(ForkProof.from_bytes(proof.to_bytes()), GENESIS)
    assert proof == ForkProof.of(signed(header(**OTHER)), signed(header()), nobody)
    assert "blocks 5" in proof.sentence and node("super") in proof.sentence


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        (signed(header()), signed(header()), "no-fork"),
        (signed(header(4)), signed(header(6)), "no-fork"),
        (signed(header()), signed(header(**OTHER), key("a")), "bad-header"),
        (signed(header()), signed(header(proposer=node("a")), key("a")), "bad-header"),
        (signed(header()), SignedHeader(header=header(**OTHER), signature=b""), "bad-header"),
        (signed(header()), signed(header(chain="ab" * 8)), "foreign-header"),
        (signed(header()), signed(header(epoch=1)), "foreign-header"),
    ],
)
def test_a_proof_that_proves_nothing_is_refused(one: SignedHeader, other: SignedHeader, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        verify_fork(ForkProof.of(one, other, nobody), GENESIS)
    assert refused.value.code == code


def test_a_proof_with_a_membership_that_does_not_hold_is_refused() -> None:
    world = World()
    world.admit("super", Role.SUPER_NODE)
    proof = ForkProof.of(signed(header()), signed(header(**OTHER)), world.application.member)
    verify_fork(proof, GENESIS)
    (party,) = proof.parties
    credential = replace(party.membership.credential, name="another")
    forged = replace(party, membership=replace(party.membership, credential=credential))
    with pytest.raises(ProtocolError, match="the header of block 5"):
        verify_fork(replace(proof, parties=(forged,)), GENESIS)


def test_a_key_counts_in_the_epochs_that_it_was_good_for() -> None:
    world = World()
    world.admit("super", Role.SUPER_NODE)
    new = key("new")
    proof = new.sign(rotation_digest(GENESIS.chain, node("super"), new.public, SEALING.public))
    world.post("super", RotateKey(signing_key=new.public, sealing_key=SEALING.public, proof=proof))
    later = {"time_ms": GENESIS.created_ms + GENESIS.parameters.epoch_ms, "epoch": 1}
    member = world.application.member
    verify_fork(ForkProof.of(signed(header(**later), new), signed(header(**later, **OTHER), new), member), GENESIS)
    for height_key, made in ((new, header(**OTHER)), (key("super"), header(**later, **OTHER))):
        with pytest.raises(ProtocolError, match="no super node signed"):
            verify_fork(ForkProof.of(signed(header()), signed(made, height_key), member), GENESIS)
