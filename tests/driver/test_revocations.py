"""A super node brings to the ledger what an administrator has signed, and lets the revoked no longer on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine_world import EngineWorld
from world import ADMIN, SEALING, key, node

from comitia.core.ids import NodeId
from comitia.driver.desk import ADMIT_AFTER_MS, Desk
from comitia.driver.node import Node
from comitia.driver.revocations import keep_pending, pending
from comitia.ledger.genesis import DAY_MS, revocation_digest, sign_as_admin
from comitia.ledger.records import NEVER
from comitia.ledger.transactions import RevokeMember
from comitia.storage.node import NodeStore


class Wire:
    """Nobody listens; who may is noted."""

    admitted: Sequence[NodeId] = ()

    def send(self, to: NodeId, data: bytes) -> None: ...

    def publish(self, topic: str, data: bytes) -> None: ...

    def update_members(self, members: Sequence[NodeId]) -> None:
        self.admitted = members


def test_a_revocation_reaches_the_ledger_and_the_wire(tmp_path: Path) -> None:
    world, wire = EngineWorld(tmp_path / "ledger.db"), Wire()
    world.settle_in()
    keys: Any = SimpleNamespace(node=node("super"), signing=key("super"), sealing=SEALING)
    made = Node(
        genesis=world.genesis,
        membership=world.membership("super", ("super-node",)),
        keys=keys,
        engine=world.engine,
        store=NodeStore(tmp_path / "node.db"),
        wire=wire,
        clock=lambda: world.now_ms,
        draw=bytes,
    )
    desk = made.ordering = Desk(made, wire)
    made.add(desk)
    signature = sign_as_admin(ADMIN, revocation_digest(world.genesis.chain, node("c"), "left"))
    keep_pending(made.store, (RevokeMember(node=node("c"), reason="left", signatures=(signature,)),))
    made.take(desk.on_store_changed)
    made.take(desk.make_block)
    member = made.application.member(node("c"))
    assert member is not None and member.revoked_from != NEVER
    assert pending(made.store) == ()
    for days, present in ((0, True), (1, False)):
        world.now_ms += days * DAY_MS
        world.note()
        made.take(lambda: made.block_applied(world.engine.block(world.height), world.engine.last_applied))
        world.now_ms += ADMIT_AFTER_MS
        made.take(lambda: None)
        assert (node("c") in wire.admitted) is present
    made.store.close()
    world.engine.close()
