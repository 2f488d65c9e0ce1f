"""What the simulator is too coarse to hit often: a driver between two writes."""

from __future__ import annotations

import pytest

from comitia.core.errors import DamagedError
from comitia.ledger.session import Phase
from comitia.roles.messages import Blocks, Follow, Received
from comitia.simulator.surroundings import Setting
from comitia.simulator.world import World


def stopped_before_consent() -> World:
    """A world in which a session is open, and no follower has heard of it yet."""
    world = World(3, Setting(providers=3))
    world._plan()
    while not world.watch.now.application.open_sessions():
        world.step()
    return world


def test_a_bad_block_behind_a_good_one_undoes_nothing_that_the_good_one_led_to() -> None:
    world = stopped_before_consent()
    machine = next(m for m in world.machines if m.name == "provider-1")
    assert machine.node is not None
    node, good = machine.node, world.history.latest.block.to_bytes()
    poison = Received(
        sender=world.machines[1].node_id,
        registered=True,
        session=b"",
        message=Blocks(blocks=(good, b"no block"), head=2, nonce=node.run_nonce, sent_ms=machine.now_ms()),
    )
    machine.act(lambda: node.on_received(poison))
    (session,) = node.application.open_sessions()
    assert session.phase is Phase.CONSENT
    assert session.id in node.store.memories()
    assert node.store.queued(session.id, "consent/1") is not None


def test_a_node_that_cannot_read_its_memory_does_not_go_on() -> None:
    world = stopped_before_consent()
    machine = next(m for m in world.machines if m.name == "provider-1")
    assert machine.committee is not None
    session = world.watch.now.application.open_sessions()[0]
    machine.kept.append(world.history.latest.digest)
    machine.rows["memory", session.id] = b"\xff"
    with pytest.raises(DamagedError, match="cannot be read"):
        machine.committee.resume()


@pytest.mark.parametrize("late", [True, False])
def test_only_an_answer_to_this_run_says_that_no_block_is_missing(late: bool) -> None:
    """A node loses its last block in a crash: what it remembers of the session in there must outlast an answer that
    was under way meanwhile."""
    world = stopped_before_consent()
    machine = next(m for m in world.machines if m.name == "provider-1")
    assert machine.node is not None
    before, block = machine.node, world.history.latest.block.to_bytes()
    machine.act(lambda: before.on_block(block))
    (session,) = before.application.open_sessions()
    machine.kept.pop()
    machine.stop()
    machine.boot()
    node = machine.node
    nonce = before.run_nonce if late else node.run_nonce
    answer = Blocks(blocks=(), head=node.engine.height, nonce=nonce, sent_ms=machine.now_ms())
    machine.act(
        lambda: node.on_received(Received(sender=node.super_node, registered=True, session=b"", message=answer))
    )
    assert (session.id in node.store.memories()) is late
    assert (node.store.queued(session.id, "consent/1") is not None) is late


def test_a_node_whose_first_question_is_lost_asks_again_while_blocks_keep_coming() -> None:
    world = stopped_before_consent()
    machine = next(m for m in world.machines if m.name == "provider-1")
    machine.stop()
    machine.boot()
    node = machine.node
    assert node is not None and machine.committee is not None
    machine.act(lambda: node.on_block(world.history.latest.block.to_bytes()))
    machine.act(node.heartbeat)
    asked = [letter.received.message for letter in world.letters.values() if letter.received.sender == node.node]
    assert Follow(height=node.engine.height, nonce=node.run_nonce) in asked
