"""One node on the ledger of an `EngineWorld`, and a wire that keeps what it sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine_world import EngineWorld
from world import key, node

from comitia.core.codec import digest
from comitia.core.crypto import SealingKey, SigningKey
from comitia.core.ids import NodeId
from comitia.driver.node import Node
from comitia.ledger.genesis import Role
from comitia.storage.node import NodeStore


@dataclass(frozen=True)
class Keys:
    signing: SigningKey
    sealing: SealingKey
    node: NodeId


def keys(name: str) -> Keys:
    return Keys(signing=key(name), sealing=SealingKey.from_bytes(digest(b"sealing" + name.encode())), node=node(name))


@dataclass
class Wire:
    sent: list[tuple[NodeId, bytes]] = field(default_factory=list)

    def send(self, to: NodeId, payload: bytes) -> None:
        self.sent.append((to, payload))

    def publish(self, topic: str, payload: bytes) -> None:
        """Nobody follows."""


class Busy(Node):
    waiting = 0

    @property
    def backlog(self) -> int:
        return self.waiting


def make(world: EngineWorld, name: str, path: Path) -> tuple[Busy, Wire]:
    wire = Wire()
    membership = world.membership(name, (Role.PROVIDER.value,))
    made = Busy(
        genesis=world.genesis,
        membership=membership,
        keys=keys(name),
        engine=world.engine,
        store=NodeStore(path),
        wire=wire,
        clock=lambda: world.now_ms,
        draw=bytes,
    )
    return made, wire
