"""What the paper says of its permissioned blockchain (II-B, III.B-D), sentence by sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import CODEBOOK, MODEL, START_MS, World, key, node

from comitia.core.envelope import Envelope
from comitia.core.errors import ProtocolError
from comitia.ledger import merkle
from comitia.ledger.application import Applied
from comitia.ledger.block import Block, BlockHeader, verify_block
from comitia.ledger.genesis import Parameters, QuorumRule
from comitia.ledger.session import commitment, leader
from comitia.ledger.transactions import (
    CommitModel,
    OpenRequest,
    Policy,
    RecordReuse,
    SealBlock,
    SetPolicy,
    Withdraw,
    parse,
)

SECRET = b"pump 7 leaks, shift B drunk again"


class Recorded(World):
    """A world that keeps every transaction that ever reached its ledger."""

    def block(self, *transactions: bytes) -> Applied:
        self.everything = (*getattr(self, "everything", ()), *transactions)
        return super().block(*transactions)


@pytest.fixture
def world() -> Recorded:
    made = Recorded()
    made.settle_in()
    return made


def request(world: World, nonce: bytes = b"2" * 16) -> bytes:
    return world.signed("asker", OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=nonce))


def test_its_unique_identity_is_recorded_as_a_transaction_together_with_the_profiles_of_its_data(
    world: Recorded,
) -> None:
    """III.B: "When a new data provider participates in, its unique identity (ID) is recorded as a transaction in the
    blockchain, together with the profiles of its data, including data categories, data types, and data size."
    """
    member, record = world.application.member(node("a")), world.application.profile(node("a"))
    assert member is not None
    assert member.node == node("a")
    assert record is not None
    assert record.codebook == CODEBOOK
    assert record.published == (0, 1)
    assert record.data_types == ("text",)
    assert record.total == 100


def test_verified_by_the_blockchain_nodes_through_adopting_merkle_tree(world: Recorded) -> None:
    """III.B: "... will be verified by the blockchain nodes through adopting Merkle tree." """
    leaves = world.everything
    top = merkle.root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index)
        assert merkle.verify(leaf, index, len(leaves), path, top)
        assert not merkle.verify(leaf[:-1] + bytes([leaf[-1] ^ 1]), index, len(leaves), path, top)


def test_only_to_retrieve_the_related_data_and_manage_the_accessibility_instead_of_recording_the_raw_data(
    world: Recorded,
) -> None:
    """II-B: "For the privacy concerns and due to storage limitation, we use permissioned blockchain only to retrieve
    the related data and manage the accessibility of data, instead of recording the raw data."

    Nor are the models on it: a release and M are there by hash alone.
    """
    session = world.open()
    world.consent(session)
    for name in world.providers:
        hidden = commitment(session, node(name), bytes(32), SECRET)
        body = CommitModel(commitment=hidden, rows=100, epsilon_micro=10**6, size=len(SECRET))
        world.post(name, body, world.session(session))
    world.score(session)
    world.post("b", world.seal_body(session), world.session(session))
    assert not any(SECRET in data for data in world.everything)
    assert any(MODEL in data for data in world.everything)


def test_records_all_the_sharing_events_which_can_trace_the_use_of_data_for_further_audit(world: Recorded) -> None:
    """II-B: "Moreover, permissioned blockchain records all the sharing events of data, which can trace the use of data
    for further audit."

    Being served from the cache is a sharing event too.
    """
    sealed = world.run(world.open())
    world.post("super", RecordReuse(request=request(world), source=sealed.id))
    assert sealed.block is not None
    assert sealed.block.requester == node("asker")
    assert sealed.block.purpose == "testing"
    assert [transaction.author for transaction in sealed.block.transactions] == sorted(
        node(name) for name in world.providers
    )
    ((_, again),) = world.application.reuses()
    assert (again.requester, again.source) == (node("asker"), sealed.id)


def test_request_contains_the_id_the_category_and_the_timestamp_signed(world: Recorded) -> None:
    """III.C, step 3: "Request Req contains the ID of r, the requested data category and the timestamp, which is signed
    by r with its private key SK_r."
    """
    envelope, body = parse(request(world))
    assert envelope.header.sender == node("asker")
    assert isinstance(body, OpenRequest)
    assert body.issued_ms == world.now_ms
    envelope.verify(key("asker").public)
    forged = Envelope(header=envelope.header, payload=envelope.payload, signature=bytes(64))
    assert world.block(forged.to_bytes()).results[0].code == "bad-signature"


def test_verifies_the_id_of_the_requester(world: Recorded) -> None:
    """III.C, step 4: "Once a nearby node receives the data sharing request, it verifies the ID of requester r." """
    stranger = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=bytes(16))
    assert world.code("stranger", stranger) == "unknown-member"
    assert world.code("a", stranger) == "not-allowed"


def test_searches_to_confirm_whether_the_request_has_been_processed_before(world: Recorded) -> None:
    """III.C, step 4: "Then, it searches permissioned blockchain to confirm whether the request has been processed
    before. If there is a record, the cached model is returned as the reply."
    """
    key_of_request = world.task().cache_key(0)
    asking = (key_of_request, node("asker"), "testing", world.now_ms)
    assert world.application.cache_lookup(*asking) is None
    sealed = world.run(world.open())
    assert world.application.cache_lookup(*asking) == sealed.id


def test_the_related_nodes_are_also_the_committee_nodes(world: Recorded) -> None:
    """III.B: "we get the related subset nodes toward the request, P_s, which are also the committee nodes for running a
    consensus process to approve the data sharing results."
    """
    session = world.open(world.task(categories=("x",)))
    world.consent(session)
    record = world.session(session)
    assert set(record.providers) == set(record.drawn) == {node(name) for name in world.providers}


def test_the_lowest_mae_u_is_elected_as_the_committee_leader(world: Recorded) -> None:
    """III.D.2: "the committee node with the lowest MAE^u at that time will be elected as the committee leader through
    MAE-based voting."
    """
    session = world.open()
    world.consent(session)
    for name, rows in (("a", 10), ("b", 500), ("c", 20)):
        world.commit(session, name, rows=rows)
    world.score(session)
    record = world.session(session)
    assert record.judgement is not None
    weighted = dict(record.judgement.weighted_mae_ppm)
    assert weighted[leader(record)] == min(weighted.values())
    assert leader(record) == node("b")


def test_if_the_block_is_approved_by_every_committee_node() -> None:
    """III.D.2: "If the block containing all transactions is approved by every committee node, the leader will send the
    block data signed with its signature to all nodes."

    One silent node then stops everything; so this is a choice (`unanimous`), and a Byzantine quorum the default.
    """
    for rule, code in ((QuorumRule.UNANIMOUS, "bad-certificate"), (QuorumRule.BFT, "")):
        world = World(parameters=Parameters(quorum_rule=rule))
        world.settle_in()
        session = world.open()
        world.consent(session)
        world.commit(session)
        world.score(session)
        three_of_four = world.seal_body(session, "a", "b", "super")
        assert world.code("a", three_of_four, world.session(session)) == code


def test_the_committee_nodes_also_audit_the_block(world: Recorded) -> None:
    """III.D.2: "the committee nodes also audit the block by verifying the model transaction track" - a block that is
    not the one that follows from the ledger is refused, whoever signed it.
    """
    session = world.open()
    world.consent(session)
    world.commit(session)
    world.score(session)
    good = world.seal_body(session)
    first, *others = good.block.transactions
    better = replace(good.block, transactions=(replace(first, mae_ppm=0), *others))
    assert world.code("a", SealBlock(block=better, certificate=good.certificate), world.session(session)) != ""
    assert world.code("a", good, world.session(session)) == ""


def test_the_block_is_added_to_the_permissioned_blockchain_which_is_tamper_proof(world: Recorded) -> None:
    """III.C, step 7: "Once the verification is passed, the block is added to the permissioned blockchain, which is
    tamper-proof."
    """
    transactions = (world.signed("a", Withdraw(issued_ms=1)),)
    header = BlockHeader(
        chain=world.genesis.chain,
        height=1,
        time_ms=START_MS,
        previous=world.genesis.digest,
        transactions_root=merkle.root(transactions),
        state_root=bytes(32),
        proposer=node("super"),
        epoch=0,
    )
    block = Block.sign(header, transactions, key("super"))

    def is_good(candidate: Block) -> bool:
        try:
            verify_block(
                candidate,
                genesis=world.genesis,
                previous=world.genesis.digest,
                height=1,
                after_ms=0,
                public=key("super").public,
            )
        except ProtocolError:
            return False
        return True

    assert is_good(block)
    data = block.to_bytes()
    for offset in range(0, len(data), 5):
        changed = data[:offset] + bytes([data[offset] ^ 4]) + data[offset + 1 :]
        try:
            candidate = Block.from_bytes(changed)
        except ProtocolError:
            continue
        assert not is_good(candidate), offset


def test_data_owners_can_control_the_authority_of_their_own_data(world: Recorded) -> None:
    """IV.A, 4: "Data owners can control the authority of their own data." """
    sealed = world.run(world.open())
    asking = (sealed.task.cache_key(0), node("asker"), "testing", world.now_ms)
    assert world.application.cache_lookup(*asking) is not None
    world.post("a", SetPolicy(policy=Policy(version=2)))
    assert world.application.cache_lookup(*asking) is None
    assert node("a") not in world.session(world.open(nonce=b"3" * 16)).drawn
