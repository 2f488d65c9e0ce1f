"""A super node that cannot keep up says so; who is turned away loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engine_world import EngineWorld
from single_node import Wire, keys, make
from world import LIBERAL, START_MS, World, key, node

from comitia.app.node.daemon import INBOX_LIMIT, Daemon
from comitia.core.errors import UnavailableError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.desk import BUSY_BACKLOG, Desk
from comitia.driver.node import RESUBMIT_MS
from comitia.driver.requesting import failure
from comitia.ledger.genesis import Role
from comitia.ledger.transactions import OpenRequest, Policy, SetPolicy
from comitia.roles.effects import Finish
from comitia.roles.messages import BUSY, Probe, PublicKeys, Received, Submit, Submitted, unpack
from comitia.storage.node import NodeStore


@dataclass
class Told:
    """A part that remembers what was refused."""

    refused: list[str] = field(default_factory=list)

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        self.refused.append(code)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    made = EngineWorld(tmp_path / "ledger.db")
    made.settle_in()
    yield made
    made.engine.close()


def answers(world: EngineWorld, wire: Wire, name: str) -> list[Submitted]:
    """What a super node has answered to this node."""
    opened = [
        unpack(data, chain=world.genesis.chain, me=node(name), sealing=keys(name).sealing, keys_of=lambda _: None)
        for to, data in wire.sent
        if to == node(name)
    ]
    return [received.message for received in opened if isinstance(received.message, Submitted)]


def submit(world: World, author: str) -> Received:
    data = world.signed(author, SetPolicy(policy=Policy(version=2, rules=(LIBERAL,))))
    return Received(sender=node(author), registered=True, session=b"", message=Submit(transaction=data))


def test_beyond_a_backlog_transactions_are_turned_away_and_below_it_taken(world: EngineWorld, tmp_path: Path) -> None:
    super_node, wire = make(world, "super", tmp_path / "super.db")
    desk = Desk(super_node, None)  # type: ignore[arg-type]
    super_node.waiting = BUSY_BACKLOG + 1
    super_node.take(lambda: desk.on_message(submit(world, "a")))
    assert [answer.code for answer in answers(world, wire, "a")] == [BUSY]
    assert world.engine.waiting == 0
    super_node.waiting = 0
    super_node.take(lambda: desk.on_message(submit(world, "a")))
    assert world.engine.waiting == 1
    super_node.store.close()


def test_what_a_busy_super_node_turned_away_is_sent_again(world: EngineWorld, tmp_path: Path) -> None:
    """A provider's word in a session is not lost because of others' load."""
    provider, wire = make(world, "a", tmp_path / "a.db")
    told = Told()
    provider.add(told)
    provider.take(lambda: provider.post(b"", SetPolicy(policy=Policy(version=2, rules=(LIBERAL,)))))
    (transaction,) = provider._outbox
    busy = Submitted(transaction=transaction, code=BUSY, message="many wait")
    answer = Received(sender=node("super"), registered=True, session=b"", message=busy)
    provider.take(lambda: provider.on_received(answer))
    assert told.refused == []
    sent = len(wire.sent)
    world.now_ms += RESUBMIT_MS
    provider.take(provider.heartbeat)
    assert len(wire.sent) > sent
    provider.store.close()


def test_a_request_that_was_turned_away_ends_with_try_again(world: EngineWorld, tmp_path: Path) -> None:
    asker, _ = make(world, "asker", tmp_path / "asker.db")
    told = Told()
    asker.add(told)
    asker.take(lambda: asker.post(b"", OpenRequest(task=world.task(), issued_ms=START_MS, nonce=bytes(16))))
    (transaction,) = asker._outbox
    busy = Submitted(transaction=transaction, code=BUSY, message="many wait")
    asker.take(lambda: asker.on_received(Received(sender=node("super"), registered=True, session=b"", message=busy)))
    assert told.refused == [BUSY]
    assert not asker._outbox
    finish = Finish(session=SessionId(transaction), model=b"", proof=b"", cached=False, code=BUSY, reason="many wait")
    error = failure(finish)
    assert isinstance(error, UnavailableError)
    assert (error.exit_status, error.hint) == (6, "try again in a moment")
    asker.store.close()


def test_a_member_with_an_unusable_sealing_key_loses_its_own_messages_only(world: EngineWorld, tmp_path: Path) -> None:
    """The ledger refuses such a key; whoever comes by one anyway harms nobody else."""
    super_node, wire = make(world, "super", tmp_path / "super.db")
    super_node._keys_of = lambda _: PublicKeys(signing=key("a").public, sealing=bytes(32))  # type: ignore[method-assign]

    def both() -> None:
        super_node.store.note("meant", b"to be kept")
        super_node.send(node("a"), b"", Probe(nonce=bytes(16)))
        super_node.send(node("b"), b"", Submitted(transaction=TransactionId(bytes(32)), code=BUSY, message=""))

    super_node.take(both)
    assert [to for to, _ in wire.sent] == [node("b")]
    assert super_node.store.fact("meant") == b"to be kept"
    super_node.store.close()


def test_the_inbox_is_bounded_and_blocks_are_made_while_messages_keep_coming(
    world: EngineWorld, tmp_path: Path
) -> None:
    """Under a steady stream the inbox is never empty: waiting for that, no block was ever made."""
    daemon = Daemon(
        genesis=world.genesis,
        membership=world.membership("super", (Role.SUPER_NODE.value,)),
        keys=keys("super"),  # type: ignore[arg-type]
        engine=world.engine,
        store=NodeStore(tmp_path / "super.db"),
        transport=Wire(),  # type: ignore[arg-type]
    )
    for _ in range(INBOX_LIMIT + 5):
        daemon._packet_came(b"noise")
    assert daemon.backlog == INBOX_LIMIT
    made: list[int] = []

    class Ordering:
        def order_own(self, transaction: TransactionId, data: bytes) -> None: ...

        def make_block(self) -> None:
            made.append(daemon.backlog)

    daemon.ordering = Ordering()
    daemon._turn()
    assert made and made[0] > 0
    daemon.store.close()
