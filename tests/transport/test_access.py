"""The router's rules, tried with a session of Zenoh's own as an intruder would."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import zenoh

from comitia.core.ids import NodeId
from comitia.transport.access import access_control, inbox_key, ready_key, topic_key
from comitia.transport.certificates import TlsIdentity
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh_client import ZenohClient
from comitia.transport.zenoh_config import client_config
from comitia.transport.zenoh_router import ZenohRouter

if TYPE_CHECKING:
    from conftest import Issuer

CHAIN = "c" * 16
WAIT_S = 60.0
SUPER_NODE, A, B, GUEST = (NodeId(letter * 32) for letter in "5abe")


class Intruder:
    """A raw session with a member's certificate, which can say anything and notes what it hears from others."""

    def __init__(self, identity: TlsIdentity, endpoint: Endpoint) -> None:
        self.heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self.session = zenoh.open(zenoh.Config.from_json5(json.dumps(client_config(identity, endpoint))))

    def spy(self, key: str) -> None:
        self.session.declare_subscriber(
            key, lambda sample: self.heard.put((str(sample.key_expr), sample.payload.to_bytes()))
        )

    def all_heard(self) -> list[bytes]:
        """All that has come before an answer of the router's to a question that anyone may ask."""
        assert any(reply.ok is not None for reply in self.session.get(ready_key(CHAIN), timeout=WAIT_S))
        return [payload for _, payload in _drain(self.heard)]

    def put(self, key: str, payload: bytes) -> None:
        self.session.put(key, payload, congestion_control=zenoh.CongestionControl.BLOCK, express=True)


class Line:
    """A router with members A and B; A is honest, others are intruders."""

    def __init__(self, issuer: Issuer, endpoint: Endpoint) -> None:
        self.issuer, self.endpoint = issuer, endpoint
        self.received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.at_super_node: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.router = ZenohRouter(
            issuer.identity(SUPER_NODE, listens=True), CHAIN, endpoint, super_nodes=[SUPER_NODE], members=[A, B]
        )
        self.router.start(self.at_super_node.put)
        self.a = ZenohClient(issuer.identity(A), CHAIN, endpoint)
        self.a.start(self.received.put)
        self.intruders: list[Intruder] = []

    def intruder(self, node: NodeId) -> Intruder:
        self.intruders.append(Intruder(self.issuer.identity(node), self.endpoint))
        return self.intruders[-1]

    def settle(self, intruder: Intruder) -> None:
        """Wait until all that the intruder has said so far has met the router's rules."""
        intruder.put(inbox_key(CHAIN, SUPER_NODE), b"settled")
        assert self.at_super_node.get(timeout=WAIT_S) == b"settled"

    def close(self) -> None:
        for intruder in self.intruders:
            intruder.session.close()
        self.a.close()
        self.router.close()


@pytest.fixture
def line(issuer: Issuer, endpoint: Endpoint) -> Iterator[Line]:
    line = Line(issuer, endpoint)
    yield line
    line.close()


@pytest.mark.parametrize("node", [B, GUEST])
@pytest.mark.parametrize(
    "key", [inbox_key(CHAIN, A), f"comitia/{CHAIN}/*/inbox", f"comitia/{CHAIN}/**", f"comitia/{CHAIN}/{A}/**", "**"]
)
def test_nobody_hears_anothers_inbox(line: Line, node: NodeId, key: str) -> None:
    intruder = line.intruder(node)
    intruder.spy(key)
    line.settle(intruder)
    line.router.send(A, b"for a alone")
    assert line.received.get(timeout=WAIT_S) == b"for a alone"
    assert b"for a alone" not in intruder.all_heard()


def test_a_member_hears_its_own_inbox_and_topics(line: Line) -> None:
    member = line.intruder(B)
    member.spy(inbox_key(CHAIN, B))
    member.spy(topic_key(CHAIN, "blocks"))
    line.settle(member)
    line.a.send(B, b"hello")
    assert member.heard.get(timeout=WAIT_S) == (inbox_key(CHAIN, B), b"hello")
    line.router.publish("blocks", b"block")
    assert member.heard.get(timeout=WAIT_S) == (topic_key(CHAIN, "blocks"), b"block")


def test_who_is_not_yet_a_member_reaches_super_nodes_only(line: Line) -> None:
    guest = line.intruder(GUEST)
    guest.put(inbox_key(CHAIN, A), b"from outside")
    line.settle(guest)
    line.router.send(A, b"from the super node")
    assert line.received.get(timeout=WAIT_S) == b"from the super node"


def test_a_new_member_takes_part_after_an_update_and_a_revoked_one_no_longer(line: Line) -> None:
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    guest = ZenohClient(line.issuer.identity(GUEST), CHAIN, line.endpoint)
    guest.start(inbox.put)
    guest.on_connection(news.put)
    for members, reached in (([A, B, GUEST], True), ([A, B], False)):
        assert line.router.update_members(members)
        _wait(news, False)
        _wait(news, True)
        guest.send(SUPER_NODE, b"here")
        assert line.at_super_node.get(timeout=WAIT_S) == b"here"
        line.router.send(GUEST, b"welcome")
        if reached:
            assert inbox.get(timeout=WAIT_S) == b"welcome"
    guest.close()
    assert inbox.empty()


def test_an_update_that_changes_nothing_disturbs_nobody(line: Line) -> None:
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    line.a.on_connection(news.put)
    assert not line.router.update_members([B, A])
    line.router.send(A, b"still here")
    assert line.received.get(timeout=WAIT_S) == b"still here"
    assert _drain(news) == [True]


@pytest.mark.parametrize("say", [lambda s, k: s.delete(k), lambda s, k: list(s.get(k, timeout=0.2))])
def test_nothing_but_payloads_is_let_through(line: Line, say: Callable[[zenoh.Session, str], object]) -> None:
    intruder = line.intruder(B)
    say(intruder.session, inbox_key(CHAIN, A))
    line.settle(intruder)
    line.router.send(A, b"next")
    assert line.received.get(timeout=WAIT_S) == b"next"


def test_rules_for_a_consortium_without_members_name_super_nodes_only() -> None:
    rules = access_control(CHAIN, [SUPER_NODE], [])
    assert rules["default_permission"] == "deny"
    assert [subject["id"] for subject in rules["subjects"]] == ["any", "super-nodes"]  # type: ignore[attr-defined]


def _drain(items: queue.SimpleQueue[Any]) -> list[Any]:
    return [items.get() for _ in range(items.qsize())]


def _wait(news: queue.SimpleQueue[bool], connected: bool) -> None:
    while news.get(timeout=WAIT_S) is not connected:
        pass


def test_who_is_no_member_hears_no_blocks(line: Line) -> None:
    """Whoever was excluded holds its certificate for years."""
    guest, member = line.intruder(GUEST), line.intruder(B)
    for who in (guest, member):
        who.spy(topic_key(CHAIN, "blocks"))
        line.settle(who)
    line.router.publish("blocks", b"block")
    assert member.all_heard() == [b"block"]
    assert guest.all_heard() == []
