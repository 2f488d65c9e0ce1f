"""A cached model that rots on a running super node's disk: found when it is asked for, and trained anew."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from engine_world import EngineWorld
from single_node import make
from world import MODEL, node

from comitia.core.codec import decode
from comitia.driver.desk import Desk
from comitia.ledger.session import Phase
from comitia.ledger.transactions import OpenRequest
from comitia.roles.messages import Packet, Received, Submit


def test_a_damaged_cached_model_is_trained_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    caplog.set_level(logging.WARNING)
    world = EngineWorld(tmp_path / "ledger.db")
    request.addfinalizer(world.engine.close)
    world.settle_in()
    sealed = world.run(world.open())
    super_node, wire = make(world, "super", tmp_path / "super.db")
    request.addfinalizer(super_node.store.close)
    super_node.store.keep_artefact(MODEL, b"model")
    desk = Desk(super_node, None)  # type: ignore[arg-type]
    super_node.ordering = desk
    super_node.add(desk)

    def ask(nonce: bytes) -> list[str]:
        """What the super node has sent to the requester."""
        wire.sent.clear()
        data = world.signed("asker", OpenRequest(task=world.task(), issued_ms=world.now_ms, nonce=nonce))
        submitted = Received(sender=node("asker"), registered=True, session=b"", message=Submit(transaction=data))
        super_node.take(lambda: desk.on_message(submitted))
        super_node.take(desk.make_block)
        return [decode(Packet, data).stage for to, data in wire.sent if to == node("asker")]

    assert ask(b"1" * 16) == ["deliver"]
    assert len(world.application.sessions()) == 1
    (kept,) = (tmp_path / "super.artefacts").iterdir()
    kept.write_bytes(b"modem")
    assert ask(b"2" * 16) == []
    opened = next(session for session in world.application.sessions() if session.id != sealed.id)
    assert (opened.phase, opened.task) == (Phase.CONSENT, sealed.task)
    assert "is trained anew" in caplog.text


def test_a_model_that_is_made_again_takes_the_place_of_a_damaged_one(tmp_path: Path) -> None:
    world = EngineWorld(tmp_path / "ledger.db")
    store = make(world, "super", tmp_path / "super.db")[0].store
    store.keep_artefact(MODEL, b"model")
    (kept,) = (tmp_path / "super.artefacts").iterdir()
    kept.write_bytes(b"")
    store.keep_artefact(MODEL, b"model")
    assert store.artefact(MODEL) == b"model"
    store.close()
    world.engine.close()
