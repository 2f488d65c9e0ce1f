"""What every engine keeps to. A new one is added to `ENGINES`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from engine_world import EngineWorld
from world import MODEL, START_MS, genesis, key, node

from comitia.core.crypto import SigningKey
from comitia.core.errors import ConfigurationError, ProtocolError, StorageError
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.block import Block
from comitia.ledger.proof import Proof, verify_proof
from comitia.ledger.session import Phase
from comitia.ledger.transactions import Consent

ENGINES = [EngineWorld]


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> EngineWorld:
    made: EngineWorld = request.param(tmp_path / "ledger.db")
    made.settle_in()
    return made


@pytest.fixture
def follower(world: EngineWorld, tmp_path: Path) -> EmbeddedEngine:
    return EmbeddedEngine.open(tmp_path / "follower.db", world.genesis)


def follow(world: EngineWorld, follower: EmbeddedEngine) -> None:
    for height in range(follower.height + 1, world.engine.height + 1):
        follower.append(Block.from_bytes(world.engine.block(height).to_bytes()))


def test_nothing_waits_no_block(world: EngineWorld) -> None:
    assert world.engine.produce(world.now_ms) is None


def test_what_waits_goes_into_one_block_in_order(world: EngineWorld) -> None:
    session = world.session(world.open())
    sent = [world.signed(name, Consent(answer=True), session) for name in world.providers]
    ids = [world.engine.submit(data, world.now_ms) for data in sent]
    block = world.engine.produce(world.now_ms)
    assert block is not None
    assert block.transactions == tuple(sent)
    assert [result.transaction for result in world.engine.last_applied.results] == ids
    assert world.session(session.id).phase is Phase.COMMIT


def test_the_same_transaction_twice_waits_once(world: EngineWorld) -> None:
    session = world.session(world.open())
    data = world.signed("a", Consent(answer=True), session)
    assert world.engine.submit(data, world.now_ms) == world.engine.submit(data, world.now_ms)
    assert world.engine.waiting == 1


def test_what_the_ledger_would_refuse_does_not_wait(world: EngineWorld) -> None:
    session = world.session(world.open())
    with pytest.raises(ProtocolError, match="has no part"):
        world.engine.submit(world.signed("asker", Consent(answer=True), session), world.now_ms)
    assert world.engine.waiting == 0


def test_time_never_runs_backwards(world: EngineWorld) -> None:
    world.note()
    before = world.engine.head
    world.now_ms -= 500
    world.note()
    after = world.engine.head
    assert before is not None
    assert after is not None
    assert (after.height, after.time_ms) == (before.height + 1, before.time_ms)


def test_blocks_are_linked_from_the_genesis_on(world: EngineWorld) -> None:
    previous = world.genesis.digest
    for height in range(1, world.engine.height + 1):
        header = world.engine.block(height).header
        assert (header.height, header.previous) == (height, previous)
        previous = header.digest


def test_there_is_no_block_above_the_head(world: EngineWorld) -> None:
    with pytest.raises(StorageError) as caught:
        world.engine.block(world.engine.height + 1)
    assert caught.value.code == "no-block"


def test_a_restart_finds_everything_again(world: EngineWorld) -> None:
    session = world.run(world.open())
    head, root = world.engine.head, world.application.state_root
    engine = world.reopen()
    assert (engine.head, engine.application.state_root) == (head, root)
    assert engine.application.session(session.id) == session
    assert engine.recovered is None
    world.note()


def test_a_follower_checks_and_comes_to_the_same_state(world: EngineWorld, follower: EmbeddedEngine) -> None:
    session = world.run(world.open())
    follow(world, follower)
    assert follower.application.state_root == world.application.state_root
    assert follower.proof(session.id) == world.engine.proof(session.id)


def test_a_follower_makes_no_blocks(world: EngineWorld, follower: EmbeddedEngine) -> None:
    follow(world, follower)
    session = world.open()
    follow(world, follower)
    follower.submit(world.signed("a", Consent(answer=True), world.session(session)), world.now_ms)
    with pytest.raises(ConfigurationError):
        follower.produce(world.now_ms)


def _resigned(block: Block, signer: SigningKey = key("super"), **changes: object) -> Block:  # noqa: B008
    header = replace(block.header, **changes)  # type: ignore[arg-type]
    return Block.sign(header, block.transactions, signer)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"height": 9999}, "wrong-link"),
        ({"previous": bytes(32)}, "wrong-link"),
        ({"chain": "0" * 16}, "wrong-link"),
        ({"time_ms": START_MS}, "wrong-link"),
        ({"epoch": 7}, "wrong-link"),
        ({"transactions_root": bytes(32)}, "wrong-transactions"),
        ({"state_root": bytes(32)}, "wrong-state"),
    ],
)
def test_a_follower_refuses_a_false_block_and_stays_as_it_was(
    world: EngineWorld, follower: EmbeddedEngine, change: dict[str, object], code: str
) -> None:
    follow(world, follower)
    root, height = follower.application.state_root, follower.height
    world.note()
    good = world.engine.block(world.engine.height)
    with pytest.raises(ProtocolError) as caught:
        follower.append(_resigned(good, **change))
    assert caught.value.code == code
    assert (follower.application.state_root, follower.height) == (root, height)
    follower.append(good)


def test_a_follower_takes_blocks_from_super_nodes_only(world: EngineWorld, follower: EmbeddedEngine) -> None:
    follow(world, follower)
    world.note()
    good = world.engine.block(world.engine.height)
    for false in (
        _resigned(good, key("a")),
        _resigned(good, key("a"), proposer=node("a")),
        replace(good, signature=bytes(64)),
        replace(good, transactions=good.transactions * 2),
    ):
        with pytest.raises(ProtocolError):
            follower.append(false)
    follower.append(good)


def test_a_block_cannot_be_appended_twice(world: EngineWorld, follower: EmbeddedEngine) -> None:
    follow(world, follower)
    with pytest.raises(ProtocolError):
        follower.append(world.engine.block(follower.height))


def test_only_a_super_node_may_order(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        EmbeddedEngine.open(tmp_path / "other.db", genesis(), signer=key("a"))
    assert caught.value.code == "not-a-super-node"


def test_the_proof_is_of_the_block_that_was_sealed(world: EngineWorld) -> None:
    session = world.run(world.open())
    proof = Proof.from_bytes(world.engine.proof(session.id).to_bytes())
    verified = verify_proof(proof, world.genesis, b"model")
    assert verified.model == MODEL
    assert verified.session == session.id
    with pytest.raises(StorageError):
        world.engine.proof(world.open(nonce=bytes([1] * 16)))
