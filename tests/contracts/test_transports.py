"""What every transport keeps to. A new one is added to `NETWORKS`."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol

import pytest

from comitia.core.errors import InputError, UnavailableError
from comitia.core.ids import NodeId
from comitia.transport import certificates
from comitia.transport.contract import MAX_PAYLOAD, Transport
from comitia.transport.endpoint import Endpoint
from comitia.transport.memory import MemoryHub, MemoryTransport
from comitia.transport.zenoh_client import ZenohClient
from comitia.transport.zenoh_router import ZenohRouter

WAIT_S = 60.0
SUPER_NODE, A, B, NOBODY = (NodeId(letter * 32) for letter in "5ab0")
CHAIN = "c" * 16


class Network(Protocol):
    """A consortium of one super node and members A and B, not yet started."""

    def transport(self, node: NodeId) -> Transport: ...

    def interrupt(self) -> None:
        """Cut the members off and let them find back."""


class MemoryNetwork:
    def __init__(self) -> None:
        self.hub = MemoryHub()
        self.members: list[MemoryTransport] = []

    def transport(self, node: NodeId) -> Transport:
        transport = self.hub.transport(node, super_node=node == SUPER_NODE)
        if node != SUPER_NODE:
            self.members.append(transport)
        return transport

    def interrupt(self) -> None:
        for member in self.members:
            self.hub.cut(member)
        for member in self.members:
            self.hub.restore(member)


class ZenohNetwork:
    def __init__(self) -> None:
        self.authority = certificates.create_authority("contract", now=datetime.now(UTC))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.endpoint = Endpoint(protocol="tls", host="127.0.0.1", port=probe.getsockname()[1])
        self.router = ZenohRouter(
            self.identity(SUPER_NODE), CHAIN, self.endpoint, super_nodes=[SUPER_NODE], members=[A, B]
        )

    def identity(self, node: NodeId) -> certificates.TlsIdentity:
        key = certificates.generate_private_key()
        request = certificates.signing_request(node, key)
        certificate = certificates.issue(
            self.authority, request, node, now=datetime.now(UTC), listens=node == SUPER_NODE
        )
        return certificates.TlsIdentity(
            node=node, certificate=certificate, private_key=key, authority=self.authority.certificate
        )

    def transport(self, node: NodeId) -> Transport:
        return self.router if node == SUPER_NODE else ZenohClient(self.identity(node), CHAIN, self.endpoint)

    def interrupt(self) -> None:
        self.router.update_members([A, B, NOBODY])


NETWORKS: dict[str, Callable[[], Network]] = {"memory": MemoryNetwork, "zenoh": ZenohNetwork}


class Node:
    """A started transport, its inbox and what it heard of its connection."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.connection: queue.SimpleQueue[bool] = queue.SimpleQueue()
        transport.start(self.inbox.put)
        transport.on_connection(self.connection.put)
        assert self.connection.get(timeout=WAIT_S)

    def send(self, to: NodeId, payload: bytes) -> None:
        self.transport.send(to, payload)

    def receive(self) -> bytes:
        return self.inbox.get(timeout=WAIT_S)

    def wait_for_connection(self, connected: bool) -> None:
        while self.connection.get(timeout=WAIT_S) is not connected:
            pass


class Consortium:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.super_node = Node(network.transport(SUPER_NODE))
        self.a = Node(network.transport(A))
        self.b = Node(network.transport(B))

    def close(self) -> None:
        for node in (self.a, self.b, self.super_node):
            node.transport.close()


@pytest.fixture(params=list(NETWORKS))
def consortium(request: pytest.FixtureRequest) -> Iterator[Consortium]:
    consortium = Consortium(NETWORKS[request.param]())
    yield consortium
    consortium.close()


def test_a_payload_reaches_its_node_and_only_it(consortium: Consortium) -> None:
    consortium.a.send(B, b"for b")
    consortium.a.send(SUPER_NODE, b"for the super node")
    consortium.super_node.send(A, b"for a")
    assert consortium.b.receive() == b"for b"
    assert consortium.super_node.receive() == b"for the super node"
    assert consortium.a.receive() == b"for a"
    assert all(node.inbox.empty() for node in (consortium.a, consortium.b, consortium.super_node))


def test_a_node_can_send_to_itself(consortium: Consortium) -> None:
    for node in (consortium.a, consortium.super_node):
        node.send(node.transport.node, b"note to self")
        assert node.receive() == b"note to self"


def test_payloads_of_one_sender_arrive_in_order(consortium: Consortium) -> None:
    payloads = [index.to_bytes(4, "big") * (1 if index % 7 else 30_000) for index in range(200)]
    for payload in payloads:
        consortium.a.send(B, payload)
    assert [consortium.b.receive() for _ in payloads] == payloads


def test_ten_megabytes_arrive_whole(consortium: Consortium) -> None:
    payload = bytes(range(256)) * (10 * 4096)
    consortium.a.send(B, payload)
    assert consortium.b.receive() == payload


def test_an_empty_payload_arrives(consortium: Consortium) -> None:
    consortium.a.send(B, b"")
    assert consortium.b.receive() == b""


def test_a_payload_for_nobody_is_dropped(consortium: Consortium) -> None:
    consortium.a.send(NOBODY, b"lost")
    consortium.a.send(B, b"next")
    assert consortium.b.receive() == b"next"


def test_a_payload_above_the_limit_is_refused_before_sending(consortium: Consortium) -> None:
    with pytest.raises(InputError) as refused:
        consortium.a.send(B, bytes(MAX_PAYLOAD + 1))
    assert refused.value.code == "payload-too-large"


def test_members_hear_what_a_super_node_publishes(consortium: Consortium) -> None:
    heard: queue.SimpleQueue[tuple[NodeId, bytes]] = queue.SimpleQueue()
    for node in (consortium.a, consortium.b):
        node.transport.subscribe("blocks", lambda payload, name=node.transport.node: heard.put((name, payload)))
        node.send(SUPER_NODE, b"subscribed")
        consortium.super_node.receive()
    consortium.super_node.transport.publish("blocks", b"block 1")
    assert {heard.get(timeout=WAIT_S) for _ in "ab"} == {(A, b"block 1"), (B, b"block 1")}


def test_what_a_member_publishes_reaches_nobody_else(consortium: Consortium) -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    consortium.a.transport.subscribe("blocks", heard.put)
    consortium.a.send(SUPER_NODE, b"subscribed")
    consortium.super_node.receive()
    consortium.b.transport.publish("blocks", b"forged")
    consortium.b.send(SUPER_NODE, b"published")
    consortium.super_node.receive()
    consortium.super_node.transport.publish("blocks", b"genuine")
    assert heard.get(timeout=WAIT_S) == b"genuine"


def test_after_a_reconnection_inbox_and_topics_work_at_once(consortium: Consortium) -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    consortium.a.transport.subscribe("blocks", heard.put)
    consortium.a.send(SUPER_NODE, b"subscribed")
    consortium.super_node.receive()
    consortium.network.interrupt()
    for node in (consortium.a, consortium.b):
        node.wait_for_connection(False)
        node.wait_for_connection(True)
        node.send(SUPER_NODE, b"back")
        assert consortium.super_node.receive() == b"back"
        consortium.super_node.send(node.transport.node, b"welcome")
        assert node.receive() == b"welcome"
    consortium.super_node.transport.publish("blocks", b"block 2")
    assert heard.get(timeout=WAIT_S) == b"block 2"


def test_a_closed_transport_refuses_to_send_and_leaves_no_thread(consortium: Consortium) -> None:
    running = [thread for thread in threading.enumerate() if "transport" in thread.name or "zenoh" in thread.name]
    assert running
    consortium.a.transport.close()
    assert not consortium.a.transport.connected
    with pytest.raises(UnavailableError) as refused:
        consortium.a.send(B, b"late")
    assert refused.value.code == "not-connected"
    consortium.a.transport.close()
    consortium.close()
    for thread in running:  # under load one may outlive the half second that closing waits for it
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in running)
