"""A committee member at work: what reaches it before the block that it belongs to, and what it tidies up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_world import EngineWorld
from single_node import Busy, Wire, make
from world import node

from comitia.core.codec import decode
from comitia.core.ids import SessionId
from comitia.driver.committee import Committee
from comitia.driver.library import Library
from comitia.driver.workbench import Workbench
from comitia.ledger.session import Phase
from comitia.ledger.transactions import AbortRequest
from comitia.roles.messages import Packet, Received, Reveal


class Witness:
    """The super node of a small consortium, as a witness in a session whose commitments are not closed yet."""

    def __init__(self, folder: Path) -> None:
        self.world = EngineWorld(folder / "ledger.db")
        self.world.settle_in()
        self.session = self.world.open()
        self.world.consent(self.session)
        self.node: Busy
        self.wire: Wire
        self.node, self.wire = make(self.world, "super", folder / "super.db")
        self.committee = Committee(self.node, Library(self.node), None, Workbench())
        self.node.add(self.committee)
        self.node.take(self.committee.resume)

    def close(self) -> None:
        self.node.store.close()
        self.world.engine.close()

    def hear(self, sender: str, author: str) -> None:
        reveal = Reveal(author=node(author), nonce=bytes(32), release=author.encode())
        received = Received(sender=node(sender), registered=True, session=self.session, message=reveal)
        self.node.take(lambda: self.node.on_received(received))

    def see_block(self) -> None:
        block, applied = self.world.engine.block(self.world.engine.height), self.world.engine.last_applied
        self.node.take(lambda: self.node.block_applied(block, applied))

    def asks(self) -> set[str]:
        """Who is asked when the witness next wakes."""
        self.wire.sent.clear()
        self.node.take(lambda: self.committee.on_wake(self.session))
        names = {node(name): name for name in "abc"}
        return {names[to] for to, data in self.wire.sent if decode(Packet, data).stage == "ask-reveal"}


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    made = Witness(tmp_path)
    yield made
    made.close()


def test_a_release_that_comes_before_the_block_that_lets_it_be_shown_is_not_lost(witness: Witness) -> None:
    """The block and the release come from two nodes, in whatever order. It was dropped, and asked for after 400 ms."""
    witness.hear("b", "b")
    witness.world.commit(witness.session)
    witness.see_block()
    assert witness.world.session(witness.session).phase is Phase.SCORE
    assert witness.asks() == {"a", "c"}


def test_what_comes_early_is_kept_for_its_author_only(witness: Witness) -> None:
    """Nobody can fill another's place, and who has no part in the session fills none."""
    witness.hear("c", "b")
    witness.hear("asker", "asker")
    witness.hear("b", "b")
    witness.hear("c", "b")
    assert [len(kept) for kept in witness.committee._early.values()] == [1]
    witness.world.commit(witness.session)
    witness.see_block()
    assert witness.asks() == {"a", "c"}
    assert not witness.committee._early


def test_what_is_remembered_of_a_session_is_forgotten_once_it_is_over(witness: Witness) -> None:
    store, other = witness.node.store, SessionId(bytes(32))
    store.remember(witness.session, b"of the session that ends")
    store.remember(other, b"of another")
    assert set(store.memories()) == {witness.session, other}
    witness.world.post("asker", AbortRequest(reason="enough"), witness.world.session(witness.session))
    witness.see_block()
    assert set(store.memories()) == {other}
