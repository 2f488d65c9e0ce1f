"""One node without its process: what a lost connection and the ledger's answers do to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_world import EngineWorld
from world import World, key, node

from comitia.core.crypto import SealingKey
from comitia.core.errors import UnavailableError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.node import Node
from comitia.driver.requesting import Requesting, failure
from comitia.ledger.application import Result
from comitia.ledger.transactions import OpenRequest
from comitia.roles.effects import Finish
from comitia.roles.messages import Received, Submitted
from comitia.storage.node import NodeStore


class Cut:
    """A wire that is not connected."""

    def send(self, to: object, data: bytes) -> None:
        raise UnavailableError("This node is not connected to a super node.", code="not-connected")

    def publish(self, topic: str, data: bytes) -> None: ...


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[tuple[Node, list[Finish], OpenRequest]]:
    world = World()
    world.settle_in()
    store = NodeStore(tmp_path / "node.db")
    keys: Any = SimpleNamespace(node=node("asker"), signing=key("asker"), sealing=SealingKey.generate())
    engine: Any = SimpleNamespace(application=world.application, height=0)
    made = Node(
        genesis=world.genesis,
        membership=world.membership("asker", ("requester",)),
        keys=keys,
        engine=engine,
        store=store,
        wire=Cut(),
        clock=lambda: world.now_ms,
        draw=bytes,
    )
    ended: list[Finish] = []
    made.add(Requesting(made, progress=lambda session: None, done=ended.append))
    yield made, ended, OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=bytes(16))
    store.close()


def asked(made: Node, request: OpenRequest) -> TransactionId:
    posted: list[TransactionId] = []
    part = made._parts[0]
    assert isinstance(part, Requesting)
    made.take(lambda: posted.append(TransactionId(part.ask(request))))
    return posted[0]


def refuse(made: Node, transaction: TransactionId, code: str) -> None:
    answer = Submitted(transaction=transaction, code=code, message="because")
    sender = made.super_node
    made.take(lambda: made.on_received(Received(sender=sender, registered=True, session=b"", message=answer)))


def test_a_node_that_waits_for_its_super_node_is_quiet(
    asker: tuple[Node, list[Finish], OpenRequest], caplog: pytest.LogCaptureFixture
) -> None:
    made, _, request = asker
    with caplog.at_level(logging.INFO):
        asked(made, request)
        made.take(made.heartbeat)
    assert not caplog.records


def test_what_was_brought_twice_and_is_on_the_ledger_has_not_failed(
    asker: tuple[Node, list[Finish], OpenRequest], caplog: pytest.LogCaptureFixture
) -> None:
    made, ended, request = asker
    with caplog.at_level(logging.INFO):
        refuse(made, asked(made, request), "on-ledger")
    assert not ended
    assert not caplog.records


def test_what_the_ledger_refuses_has_failed(asker: tuple[Node, list[Finish], OpenRequest]) -> None:
    made, ended, request = asker
    refuse(made, asked(made, request), "no-provider")
    assert [finish.code for finish in ended] == ["no-provider"]


def test_what_another_transaction_of_its_block_made_impossible_has_failed(
    asker: tuple[Node, list[Finish], OpenRequest], tmp_path: Path
) -> None:
    """The desk had taken it; its requester waited until it was told "no answer"."""
    made, ended, request = asker
    transaction = asked(made, request)
    world = EngineWorld(tmp_path / "ledger.db")
    world.settle_in()
    refused = Result(
        transaction=transaction,
        type="",
        author=made.node,
        session=SessionId(b""),
        code="no-provider",
        message="because",
    )
    block, applied = world.engine.block(world.engine.height), replace(world.engine.last_applied, results=(refused,))
    made.take(lambda: made.block_applied(block, applied))
    world.engine.close()
    assert [finish.code for finish in ended] == ["no-provider"]


def test_a_wrong_clock_is_told_with_what_to_do(asker: tuple[Node, list[Finish], OpenRequest]) -> None:
    made, ended, request = asker
    refuse(made, asked(made, request), "wrong-time")
    error = failure(ended[0])
    assert "clock" in error.hint
    assert error.exit_status == 5
