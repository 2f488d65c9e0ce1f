"""Two histories of one ledger: how a node finds out, what it keeps, and what it does not do any more."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from engine_world import EngineWorld
from world import SEALING, genesis, key, node

from comitia.core.errors import DamagedError, ProtocolError
from comitia.core.ids import NodeId
from comitia.driver.desk import Desk
from comitia.driver.histories import FORK_FACT, RECENT, read_fork
from comitia.driver.node import Node
from comitia.driver.requesting import Requesting, failure
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.block import Block, BlockHeader, SignedHeader
from comitia.ledger.fork import ForkProof
from comitia.ledger.genesis import Role
from comitia.ledger.transactions import OpenRequest
from comitia.roles.effects import Finish
from comitia.roles.messages import AskReveal, Blocks, Follow, Forked, Message, Probe, Received, unpack
from comitia.storage.node import NodeStore


@dataclass(frozen=True)
class Keys:
    name: str

    @property
    def node(self) -> NodeId:
        return node(self.name)

    @property
    def signing(self) -> Any:
        return key(self.name)

    sealing = SEALING


@dataclass
class Wire:
    sent: list[tuple[NodeId, bytes]] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)

    def send(self, to: NodeId, data: bytes) -> None:
        self.sent.append((to, data))

    def publish(self, topic: str, data: bytes) -> None:
        self.published.append(data)


class Follower:
    """A node with files of its own."""

    def __init__(self, world: EngineWorld, name: str, folder: Path, engine: EmbeddedEngine | None = None) -> None:
        self.world, self.name, self.folder = world, name, folder
        self.wire = Wire()
        self.engine = engine or EmbeddedEngine.open(folder / f"{name}.ledger", genesis())
        self.store = NodeStore(folder / f"{name}.db")
        self.node = Node(
            genesis=world.genesis,
            membership=world.membership(name, (Role.PROVIDER.value,)),
            keys=Keys(name),
            engine=self.engine,
            store=self.store,
            wire=self.wire,
            clock=lambda: world.now_ms,
            draw=bytes,
        )

    def told(self, block: Block) -> None:
        self.node.take(lambda: self.node.on_block(block.to_bytes()))

    def hears(self, message: Message, head: SignedHeader | None = None, sender: str = "b") -> None:
        came = Received(sender=node(sender), registered=True, session=b"", message=message, head=head)
        self.node.take(lambda: self.node.on_received(came))

    def said(self) -> list[tuple[NodeId, Message]]:
        sent, self.wire.sent[:] = list(self.wire.sent), []
        return [(to, self._open(to, data)) for to, data in sent]

    def _open(self, to: NodeId, data: bytes) -> Message:
        chain, keys = self.world.genesis.chain, self.node._keys_of
        return unpack(data, chain=chain, me=to, sealing=SEALING, keys_of=keys).message

    def close(self) -> None:
        self.store.close()
        self.engine.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    made = EngineWorld(tmp_path / "ledger.db")
    made.settle_in()
    yield made
    made.engine.close()


@pytest.fixture
def follower(world: EngineWorld, tmp_path: Path) -> Iterator[Follower]:
    made = Follower(world, "a", tmp_path)
    for height in range(1, world.height + 1):
        made.told(world.engine.block(height))
    made.said()
    yield made
    made.close()


def twin(block: Block) -> Block:
    """Another block of the same height, which does nothing and is signed as well."""
    header = replace(block.header, time_ms=block.header.time_ms + 1)
    return Block.sign(header, block.transactions, key("super"))


def next_block(world: EngineWorld) -> Block:
    world.now_ms += 10
    world.note()
    return world.engine.block(world.height)


def test_another_block_of_a_height_is_found_kept_and_told(
    world: EngineWorld, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        follower.told(twin(world.engine.block(3)))
    proof = read_fork(follower.store)
    assert proof is not None and proof.height == 3 and proof.signers == (node("super"),)
    assert "the ledger is forked" in caplog.text
    others = {member.node for member in follower.node.application.members()} - {node("a")}
    assert {to for to, message in follower.said() if message == Forked(proof=proof)} == others


def test_a_block_that_does_not_follow_the_own_head_is_enough(world: EngineWorld, follower: Follower) -> None:
    other = next_block(world)
    header = replace(other.header, previous=bytes(32))
    stray = Block.sign(header, other.transactions, key("super"))
    follower.hears(Blocks(blocks=(stray.to_bytes(),), head=9, nonce=follower.node.run_nonce, sent_ms=world.now_ms))
    assert follower.node.is_forked
    assert follower.engine.height == world.height - 1


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_what_a_member_stands_by_is_compared_at_once_or_once_its_height_is_here(
    world: EngineWorld, follower: Follower, ahead: int
) -> None:
    coming = [next_block(world) for _ in range(ahead)]
    follower.hears(Probe(nonce=bytes(16)), twin(world.engine.block(world.height)).signed_header)
    assert follower.node.is_forked is (ahead == 0)
    for block in coming:
        follower.told(block)
    assert follower.node.is_forked


def test_two_members_ahead_who_contradict_each_other_are_a_proof_as_well(
    world: EngineWorld, follower: Follower
) -> None:
    for _ in range(3):
        block = next_block(world)
    follower.hears(Probe(nonce=bytes(16)), block.signed_header)
    follower.hears(Probe(nonce=bytes(16)), twin(block).signed_header, sender="c")
    assert follower.node.is_forked


def test_one_history_is_no_fork_wherever_members_stand(world: EngineWorld, follower: Follower) -> None:
    blocks = [next_block(world) for _ in range(3)]
    for height in range(1, world.height + 1):
        follower.hears(Probe(nonce=bytes(16)), world.engine.block(height).signed_header)
    for block in blocks:
        follower.told(block)
        follower.told(block)
    assert not follower.node.is_forked and follower.engine.height == world.height


def header_of(world: EngineWorld, height: int, **changes: Any) -> BlockHeader:
    """A header like the last one's."""
    return replace(world.engine.block(world.height).header, height=height, **changes)


def stands_by(follower: Follower, header: BlockHeader, signer: str = "super", sender: str = "b") -> None:
    signed = SignedHeader(header=header, signature=key(signer).sign(header.digest))
    follower.hears(Probe(nonce=bytes(16)), signed, sender)


@pytest.mark.parametrize("first_ahead", [2, 3])
def test_members_ahead_by_neighbouring_blocks_that_do_not_follow_each_other_are_a_proof(
    world: EngineWorld, follower: Follower, first_ahead: int
) -> None:
    ahead = [header_of(world, world.height + count, previous=bytes(32)) for count in (first_ahead, 5 - first_ahead)]
    stands_by(follower, ahead[0])
    assert not follower.node.is_forked
    stands_by(follower, ahead[1], sender="c")
    assert follower.node.is_forked
    proof = read_fork(follower.store)
    assert proof is not None and [proof.lower.header.height, proof.higher.header.height] == [
        world.height + 2,
        world.height + 3,
    ]


@pytest.mark.parametrize(("ahead", "remembered"), [(1_024, True), (1_025, False)])
def test_what_is_far_ahead_is_not_remembered(
    world: EngineWorld, follower: Follower, ahead: int, remembered: bool
) -> None:
    stands_by(follower, header_of(world, world.height + ahead))
    assert follower.node.histories.lags is remembered


def test_what_is_ahead_and_no_super_node_signed_is_not_remembered(world: EngineWorld, follower: Follower) -> None:
    stands_by(follower, header_of(world, world.height + 2, previous=bytes(32)), signer="b")
    assert not follower.node.histories.lags
    for _ in range(3):
        follower.told(next_block(world))
    assert not follower.node.is_forked and follower.engine.height == world.height


@pytest.mark.parametrize("height", [1, 2])
def test_old_blocks_are_compared_as_well_also_after_a_restart(
    world: EngineWorld, follower: Follower, tmp_path: Path, height: int
) -> None:
    follower.close()
    again = Follower(world, "a", tmp_path)
    again.hears(Probe(nonce=bytes(16)), twin(world.engine.block(height)).signed_header)
    assert again.node.is_forked
    again.close()


def test_a_node_that_has_one_block_stands_by_it_also_after_a_restart(world: EngineWorld, tmp_path: Path) -> None:
    first = world.engine.block(1)
    for _ in range(2):
        young = Follower(world, "c", tmp_path)
        young.told(first)
        assert young.node.histories.head == first.signed_header
        young.close()


def test_only_so_many_headers_are_kept_at_hand(world: EngineWorld, follower: Follower) -> None:
    for _ in range(RECENT + 3):
        follower.told(next_block(world))
    assert sorted(follower.node.histories._recent) == list(range(world.height - RECENT + 1, world.height + 1))


def test_a_fork_that_a_command_has_found_is_taken_up_by_the_running_node(
    world: EngineWorld, follower: Follower, tmp_path: Path
) -> None:
    follower.node.take(follower.node.heartbeat)
    command = NodeStore(tmp_path / "a.db")
    command.note(FORK_FACT, proof_for(world).to_bytes())
    command.close()
    follower.node.take(follower.node.heartbeat)
    assert follower.node.is_forked


def test_a_proof_that_rotted_is_named(follower: Follower) -> None:
    follower.store.note(FORK_FACT, b"rotten")
    with pytest.raises(DamagedError) as caught:
        read_fork(follower.store)
    assert caught.value.code == "store-damaged"


def test_a_block_that_no_super_node_signed_accuses_nobody(
    world: EngineWorld, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    head = world.engine.block(world.height).header
    forged = replace(head, state_root=bytes(32))
    with caplog.at_level(logging.WARNING):
        follower.hears(Probe(nonce=bytes(16)), SignedHeader(header=forged, signature=key("b").sign(forged.digest)))
    assert not follower.node.is_forked and "forged-header" in caplog.text
    with pytest.raises(ProtocolError, match="no super node signed"):
        follower.node.histories.accept(
            ForkProof.of(
                world.engine.block(world.height).signed_header,
                SignedHeader(header=forged, signature=bytes(64)),
                world.application.member,
            )
        )
    assert follower.store.fact(FORK_FACT) is None


def proof_for(world: EngineWorld) -> ForkProof:
    block = world.engine.block(world.height)
    return ForkProof.of(block.signed_header, twin(block).signed_header, world.application.member)


def test_a_node_that_knows_stands_still_also_after_a_restart(
    world: EngineWorld, follower: Follower, tmp_path: Path
) -> None:
    told = proof_for(world)
    follower.hears(Forked(proof=told))
    follower.said()
    follower.told(next_block(world))
    follower.hears(AskReveal(authors=()))
    assert follower.said() == [(node("b"), Forked(proof=told))]
    assert follower.engine.height == world.height - 1
    follower.close()
    again = Follower(world, "a", tmp_path)
    assert again.node.is_forked
    again.node.take(again.node.heartbeat)
    assert {type(message) for _, message in again.said()} == {Forked}
    again.close()


def test_a_request_ends_with_the_reason_whether_made_before_or_after(world: EngineWorld, follower: Follower) -> None:
    ended: list[Finish] = []
    part = Requesting(follower.node, progress=lambda _: None, done=ended.append)
    follower.node.add(part)

    def ask(nonce: bytes) -> None:
        request = OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=nonce)
        follower.node.take(lambda: part.ask(request) and None)

    ask(bytes(16))
    follower.hears(Forked(proof=proof_for(world)))
    follower.said()
    ask(b"1" * 16)
    assert not follower.said()
    follower.node.take(follower.node.heartbeat)
    assert [finish.code for finish in ended] == ["ledger-forked"] * 2
    error = failure(ended[0])
    assert error.exit_status == 10 and "comitia ledger fork" in error.hint


def desk_of(world: EngineWorld, path: Path) -> Follower:
    made = Follower(world, "super", path, world.engine)
    desk = Desk(made.node, None)  # type: ignore[arg-type]
    made.node.ordering = desk
    made.node.add(desk)
    return made


def test_a_super_node_that_is_shown_its_fork_makes_no_more_blocks(world: EngineWorld, tmp_path: Path) -> None:
    orderer = desk_of(world, tmp_path)
    orderer.hears(Forked(proof=proof_for(world)))
    height = world.height
    world.engine.submit_own(bytes(32), b"whatever")  # type: ignore[arg-type]
    assert orderer.node.ordering is not None
    orderer.node.take(orderer.node.ordering.make_block)
    assert world.engine.height == height and not orderer.wire.published
    orderer.store.close()


def test_a_super_node_restored_from_an_old_copy_signs_nothing_in_place_of_what_it_lost(
    world: EngineWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    orderer = desk_of(world, tmp_path)
    lost = replace(world.engine.block(world.height).header, height=world.height + 2, previous=bytes(32))
    head = SignedHeader(header=lost, signature=key("super").sign(lost.digest))
    orderer.hears(Follow(height=world.height + 2, nonce=bytes(16)), head)
    world.engine.submit_own(bytes(32), b"whatever")  # type: ignore[arg-type]
    assert orderer.node.ordering is not None
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            orderer.node.take(orderer.node.ordering.make_block)
    assert not orderer.wire.published and len(caplog.records) == 1
    assert "makes no others in their place" in caplog.text
    orderer.store.close()
