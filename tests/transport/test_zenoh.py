"""Faults of the real transport: what is in the way, and who finds back after it."""

from __future__ import annotations

import dataclasses
import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from comitia.app.bench.cable import Cable
from comitia.core.errors import ComitiaError, ConfigurationError, UnavailableError
from comitia.core.ids import NodeId
from comitia.transport.certificates import TlsIdentity
from comitia.transport.diagnosis import diagnose_connection
from comitia.transport.endpoint import Endpoint
from comitia.transport.zenoh_client import ZenohClient
from comitia.transport.zenoh_router import ZenohRouter

if TYPE_CHECKING:
    from conftest import Issuer

CHAIN = "c" * 16
WAIT_S = 60.0
SUPER_NODE, SECOND, A, B = (NodeId(letter * 32) for letter in "56ab")


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes what a test has opened, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def super_node(issuer: Issuer, endpoint: Endpoint, closing: ExitStack) -> ZenohRouter:
    """A running super node whose members are A and B."""
    return start_router(issuer.identity(SUPER_NODE, listens=True), endpoint, closing)


def start_router(identity: TlsIdentity, endpoint: Endpoint, closing: ExitStack) -> ZenohRouter:
    router = ZenohRouter(identity, CHAIN, endpoint, super_nodes=[identity.node], members=[A, B])
    closing.callback(router.close)
    router.start(lambda payload: None)
    return router


def failure_of(start: Callable[[], object]) -> ComitiaError:
    with pytest.raises(ComitiaError) as failure:
        start()
    assert failure.value.hint
    return failure.value


def connect(identity: TlsIdentity, endpoint: Endpoint) -> None:
    client = ZenohClient(identity, CHAIN, endpoint)
    try:
        client.start(lambda payload: None)
    finally:
        client.close()


def test_a_port_in_use_is_named(
    issuer: Issuer, endpoint: Endpoint, super_node: ZenohRouter, closing: ExitStack
) -> None:
    error = failure_of(lambda: start_router(issuer.identity(SUPER_NODE, listens=True), endpoint, closing))
    assert isinstance(error, UnavailableError)
    assert (error.code, error.values["port"]) == ("port-in-use", endpoint.port)
    assert str(endpoint.port) in error.message


def test_an_address_of_another_machine_cannot_be_listened_on(issuer: Issuer, closing: ExitStack) -> None:
    elsewhere = Endpoint.parse("tls/192.0.2.1:7447")
    error = failure_of(lambda: start_router(issuer.identity(SUPER_NODE, listens=True), elsewhere, closing))
    assert (type(error), error.code) == (UnavailableError, "cannot-listen")


def test_a_super_node_that_is_not_there_is_named(issuer: Issuer, endpoint: Endpoint) -> None:
    error = failure_of(lambda: connect(issuer.identity(A), endpoint))
    assert (type(error), error.code) == (UnavailableError, "super-node-unreachable")
    assert str(endpoint) in error.message


def test_something_else_on_the_port_is_recognised(issuer: Issuer, closing: ExitStack) -> None:
    listener = closing.enter_context(socket.create_server(("127.0.0.1", 0)))

    def answer_in_plain_text() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

    threading.Thread(target=answer_in_plain_text, daemon=True).start()
    endpoint = Endpoint(protocol="tls", host="127.0.0.1", port=listener.getsockname()[1])
    error = failure_of(lambda: connect(issuer.identity(A), endpoint))
    assert error.code in ("not-a-super-node", "super-node-unreachable")


def test_an_expired_or_foreign_certificate_of_ones_own_is_refused_before_dialling(
    issuer: Issuer, stranger: Issuer, endpoint: Endpoint
) -> None:
    expired = issuer.identity(A, days=300)
    foreign = dataclasses.replace(stranger.identity(A), authority=issuer.authority.certificate)
    for identity, code in ((expired, "expired-certificate"), (foreign, "foreign-certificate")):
        error = failure_of(lambda identity=identity: connect(identity, endpoint))  # type: ignore[misc]
        assert (type(error), error.code) == (ConfigurationError, code)


def test_a_second_consortium_on_the_machine_does_not_meet_the_first(
    stranger: Issuer, endpoint: Endpoint, super_node: ZenohRouter
) -> None:
    error = failure_of(lambda: connect(stranger.identity(A), endpoint))
    assert (type(error), error.code) == (ConfigurationError, "foreign-super-node")


def test_a_certificate_of_another_consortium_is_refused_by_the_super_node(
    issuer: Issuer, stranger: Issuer, endpoint: Endpoint, super_node: ZenohRouter, closing: ExitStack
) -> None:
    """The intruder trusts the right authority, so it is the super node's own check that holds."""
    forged = dataclasses.replace(stranger.identity(A), authority=issuer.authority.certificate)
    client = ZenohClient(forged, CHAIN, endpoint)
    closing.callback(client.close)
    with pytest.raises(ComitiaError):
        client._begin()
    assert not client.connected


def test_a_super_node_whose_certificate_has_expired_is_told_from_others(
    issuer: Issuer, endpoint: Endpoint, closing: ExitStack
) -> None:
    router = ZenohRouter(issuer.identity(SUPER_NODE, listens=True, days=300), CHAIN, endpoint, super_nodes=[SUPER_NODE])
    closing.callback(router.close)
    router._begin()
    error = diagnose_connection(issuer.identity(A), endpoint)
    assert (type(error), error.code) == (UnavailableError, "super-node-certificate-expired")


def test_a_member_cannot_pose_as_a_super_node(issuer: Issuer, endpoint: Endpoint, closing: ExitStack) -> None:
    router = ZenohRouter(issuer.identity(B), CHAIN, endpoint, super_nodes=[B])
    closing.callback(router.close)
    router._begin()
    error = failure_of(lambda: connect(issuer.identity(A), endpoint))
    assert error.code in ("foreign-super-node", "super-node-name-mismatch")


def test_a_patient_client_waits_for_its_super_node_and_says_what_is_the_matter(
    issuer: Issuer, endpoint: Endpoint, closing: ExitStack
) -> None:
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    client = ZenohClient(issuer.identity(A), CHAIN, endpoint, patient=True)
    closing.callback(client.close)
    client.start(lambda payload: None)
    client.on_connection(news.put)
    assert client.trouble is not None
    assert client.trouble.code == "super-node-unreachable"
    assert failure_of(lambda: client.send(SUPER_NODE, b"")).code == "not-connected"
    start_router(issuer.identity(SUPER_NODE, listens=True), endpoint, closing)
    assert news.get(timeout=WAIT_S)
    assert client.trouble is None
    client.send(SUPER_NODE, b"")


def test_a_patient_client_can_be_closed_before_it_ever_connected(issuer: Issuer, endpoint: Endpoint) -> None:
    client = ZenohClient(issuer.identity(A), CHAIN, endpoint, patient=True)
    client.start(lambda payload: None)
    client.close()
    dialling = [thread for thread in threading.enumerate() if thread.name.startswith("zenoh")]
    for thread in dialling:  # whoever was dialling right then hears of the end when that is over
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in dialling)


def test_members_of_two_super_nodes_reach_each_other(
    issuer: Issuer, endpoint: Endpoint, second_endpoint: Endpoint, closing: ExitStack
) -> None:
    endpoints = {SUPER_NODE: endpoint, SECOND: second_endpoint}
    for node, peers in ((SUPER_NODE, ()), (SECOND, (endpoints[SUPER_NODE],))):
        router = ZenohRouter(
            issuer.identity(node, listens=True),
            CHAIN,
            endpoints[node],
            super_nodes=list(endpoints),
            members=[A, B],
            peers=peers,
        )
        closing.callback(router.close)
        router.start(lambda payload: None)
    inbox: queue.Queue[bytes] = queue.Queue()
    a, b = (
        ZenohClient(issuer.identity(node), CHAIN, endpoint)
        for node, endpoint in zip((A, B), (endpoint, second_endpoint), strict=True)
    )
    for client in (a, b):
        closing.callback(client.close)
        client.start(inbox.put)
    until = time.monotonic() + WAIT_S
    while inbox.empty() and time.monotonic() < until:  # what is sent before the routers have met is lost
        a.send(B, b"across")
        time.sleep(0.02)
    assert inbox.get(timeout=WAIT_S) == b"across"


def test_quic_carries_the_same_and_survives_a_change_of_members(
    issuer: Issuer, endpoint: Endpoint, closing: ExitStack
) -> None:
    endpoint = dataclasses.replace(endpoint, protocol="quic")
    router = start_router(issuer.identity(SUPER_NODE, listens=True), endpoint, closing)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    client = ZenohClient(issuer.identity(A), CHAIN, endpoint)
    closing.callback(client.close)
    client.start(inbox.put)
    client.on_connection(news.put)
    assert news.get(timeout=WAIT_S)
    router.update_members([A])
    assert [news.get(timeout=WAIT_S) for _ in range(2)] == [False, True]
    router.send(A, bytes(100_000))
    assert inbox.get(timeout=WAIT_S) == bytes(100_000)


def start_process(program: str, identity: TlsIdentity, endpoint: Endpoint, *arguments: str) -> subprocess.Popen[str]:
    program = str(Path(__file__).with_name(program))
    process = subprocess.Popen([sys.executable, program, *arguments], stdin=-1, stdout=-1, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    given = {
        "node": identity.node,
        "certificate": identity.certificate.decode(),
        "private_key": identity.private_key.decode(),
        "authority": identity.authority.decode(),
        "chain": CHAIN,
        "endpoint": str(endpoint),
        "members": [A, B],
    }
    process.stdin.write(json.dumps(given))
    process.stdin.close()
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.e2e
def test_a_client_finds_back_to_a_super_node_that_was_killed(issuer: Issuer, endpoint: Endpoint) -> None:
    identity = issuer.identity(SUPER_NODE, listens=True)
    process = start_process("router_process.py", identity, endpoint)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    client = ZenohClient(issuer.identity(A), CHAIN, endpoint)
    try:
        client.start(inbox.put)
        client.on_connection(news.put)
        assert news.get(timeout=WAIT_S)
        client.send(SUPER_NODE, A.encode() + b"echo")
        assert inbox.get(timeout=WAIT_S) == b"echo"

        process.kill()
        process.wait()
        assert not news.get(timeout=WAIT_S)
        assert failure_of(lambda: client.send(SUPER_NODE, b"")).code == "not-connected"
        cpu_s = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - cpu_s < 0.25, "it spins while it is disconnected"

        process = start_process("router_process.py", identity, endpoint)
        assert news.get(timeout=WAIT_S)
        client.send(SUPER_NODE, A.encode() + b"again")
        assert inbox.get(timeout=WAIT_S) == b"again"
    finally:
        client.close()
        process.kill()
        process.wait()


@pytest.mark.e2e
def test_a_member_that_stops_reading_cuts_nobody_else_off(
    issuer: Issuer, endpoint: Endpoint, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when the router opens again, although its old session then cannot be closed."""
    monkeypatch.setattr("comitia.transport.zenoh_config.ROUTER_PATIENCE_S", 0.3)
    monkeypatch.setattr("comitia.transport.zenoh_client.PROBE_S", 0.2)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    router = ZenohRouter(
        issuer.identity(SUPER_NODE, listens=True), CHAIN, endpoint, super_nodes=[SUPER_NODE], members=[A, B]
    )
    router.start(inbox.put)
    closing.callback(router.close)
    stopped = start_process("member_process.py", issuer.identity(B), endpoint)
    closing.callback(stopped.wait)
    closing.callback(stopped.kill)
    a = ZenohClient(issuer.identity(A), CHAIN, endpoint)
    closing.callback(a.close)
    a.start(lambda payload: None)
    a.on_connection(news.put)
    assert news.get(timeout=WAIT_S)

    psutil.Process(stopped.pid).suspend()
    for _ in range(3):
        a.send(B, bytes(8 << 20))
    a.send(SUPER_NODE, b"behind it")
    assert inbox.get(timeout=WAIT_S) == b"behind it"
    assert news.empty()

    assert router.update_members([A])
    assert [news.get(timeout=WAIT_S) for _ in range(2)] == [False, True]
    a.send(SUPER_NODE, b"after it")
    assert inbox.get(timeout=WAIT_S) == b"after it"


def test_a_client_whose_link_leads_nowhere_dials_anew(
    issuer: Issuer, endpoint: Endpoint, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a firewall forgot the connection: it stands at both ends, and what is sent over it is lost."""
    monkeypatch.setattr("comitia.transport.zenoh_client.PROBE_S", 0.2)
    monkeypatch.setattr("comitia.transport.zenoh_client.PROBE_ANSWER_S", 2.0)
    start_router(issuer.identity(SUPER_NODE, listens=True), endpoint, closing)
    cable = Cable(endpoint.port)
    closing.callback(cable.close)
    news: queue.SimpleQueue[bool] = queue.SimpleQueue()
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    client = ZenohClient(issuer.identity(A), CHAIN, dataclasses.replace(endpoint, port=cable.end))
    closing.callback(client.close)
    client.start(inbox.put)
    client.on_connection(news.put)
    assert news.get(timeout=WAIT_S)

    cable.silence()
    assert [news.get(timeout=WAIT_S) for _ in range(2)] == [False, True]
    client.send(A, b"by the new link")
    assert inbox.get(timeout=WAIT_S) == b"by the new link"


@pytest.mark.e2e
def test_a_program_that_fails_without_closing_its_transport_still_ends(issuer: Issuer, endpoint: Endpoint) -> None:
    process = start_process("router_process.py", issuer.identity(SUPER_NODE, listens=True), endpoint, "fail")
    try:
        assert process.wait(timeout=WAIT_S) == 5
    finally:
        process.kill()
