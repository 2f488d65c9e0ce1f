"""What a node's driver needs of the world: a process gives it files and sockets, the simulator its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from comitia.core.crypto import SealingKey, SigningKey
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.ledger.application import Application, Applied
from comitia.ledger.block import Block
from comitia.ledger.proof import Proof
from comitia.privacy.book import Ask
from comitia.privacy.limits import Limits
from comitia.privacy.receipt import Receipt

BLOCKS_TOPIC: Final = "blocks"
"""Topic on which super nodes announce new blocks."""


class Keys(Protocol):
    """A node's secrets, and the id that follows from them."""

    @property
    def node(self) -> NodeId: ...

    @property
    def signing(self) -> SigningKey: ...

    @property
    def sealing(self) -> SealingKey: ...


class Ledger(Protocol):
    """A node's copy of the ledger; at the super node also its orderer. See `engines.embedded`."""

    @property
    def application(self) -> Application: ...

    @property
    def height(self) -> int: ...

    @property
    def last_applied(self) -> Applied: ...

    def append(self, block: Block) -> Applied: ...

    def block(self, height: int) -> Block: ...

    def proof(self, session: SessionId) -> Proof: ...

    def submit(self, data: bytes, now_ms: int) -> TransactionId: ...

    def submit_own(self, transaction: TransactionId, data: bytes) -> None: ...

    def produce(self, now_ms: int) -> Block | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request that waits for its owner's yes or no.

    session : which.
    request : who asks for what, in words.
    answer : None until the owner has answered.
    """

    session: SessionId
    request: str
    answer: bool | None


class Store(Protocol):
    """A node's durable memory. A write is durable when its method, or the `transaction` around it, returns.

    An artefact, which can be had again, is so soon after.
    """

    def transaction(self) -> AbstractContextManager[None]: ...

    def changed_elsewhere(self) -> int: ...

    def remember(self, session: SessionId, value: bytes) -> None: ...

    def memories(self) -> dict[SessionId, bytes]: ...

    def forget(self, session: SessionId) -> None: ...

    def queue(self, transaction: TransactionId, session: bytes, kind: str, envelope: bytes) -> None: ...

    def queued(self, session: bytes, kind: str) -> bytes | None: ...

    def outbox(self) -> dict[TransactionId, bytes]: ...

    def unqueue(self, transaction: TransactionId) -> None: ...

    def unqueue_session(self, session: SessionId) -> None: ...

    def keep_artefact(self, digest: bytes, value: bytes) -> None: ...

    def artefact(self, digest: bytes) -> bytes | None: ...

    def has_artefact(self, digest: bytes) -> bool: ...

    def artefacts(self) -> dict[bytes, int]: ...

    def drop_artefact(self, digest: bytes) -> None: ...

    def drop_partial(self) -> None: ...

    def keep_release(self, key: bytes, documents: bytes, value: bytes) -> None: ...

    def release(self, key: bytes) -> bytes | None: ...

    def drop_releases(self, documents: bytes) -> None: ...

    def note(self, name: str, value: bytes) -> None: ...

    def fact(self, name: str) -> bytes | None: ...

    def erase(self, name: str) -> None: ...

    def ask_owner(self, session: SessionId, request: str) -> None: ...

    def questions(self) -> tuple[Question, ...]: ...


class Budget(Protocol):
    """A provider's durable budget; every movement is durable on return. See `privacy.budget` for the rules."""

    def reserve(self, limits: Limits, ask: Ask) -> None: ...

    def spend(self, reservation: bytes, receipt: Receipt) -> None: ...

    def give_back(self, reservation: bytes) -> None: ...

    def reuse(self, ask: Ask, release: bytes) -> None: ...


class Wire(Protocol):
    """Carries bytes to nodes, and blocks to all who follow; either may be lost. See `transport.contract`."""

    def send(self, to: NodeId, data: bytes) -> None: ...

    def publish(self, topic: str, data: bytes) -> None: ...


class Admission(Protocol):
    """Who may take part on the wire."""

    def update_members(self, members: Sequence[NodeId]) -> Any: ...
