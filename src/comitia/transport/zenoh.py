"""Zenoh over mutual TLS: a super node's process holds the router, other nodes only dial out.

Scouting and gossip are off, so that nothing is found that was not configured. Zenoh itself fragments large payloads
and connects again after a loss. Rules of access are fixed when a router opens; a changed membership therefore opens it
again: measured, 6 ms for a few members and 0.3 s for a thousand; clients are back within 30 ms (QUIC: 1 s).

A member that stops reading fills its link. Whoever sends to it then waits, at most `ROUTER_PATIENCE_S` for each sender
that is ahead, until the router gives the link up. Zenoh cannot close such a link, nor therefore its session: the old
one is left behind when the router opens again, and with it the links of others, who find out by asking on quiet links.

See PROTOCOL.md, Transport.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Any

import zenoh

from comitia.core.errors import ComitiaError, UnavailableError
from comitia.core.ids import NodeId
from comitia.transport.access import access_control, inbox_key, ready_key, topic_key
from comitia.transport.certificates import TlsIdentity, check_identity
from comitia.transport.contract import MAX_PAYLOAD, Deliver, OnConnection, check_size, ignore_connection
from comitia.transport.diagnosis import diagnose_connection, diagnose_listening
from comitia.transport.endpoint import Endpoint

log = logging.getLogger(__name__)

READY_S = 5.0
ANSWER_S = 0.4
PROBE_S = 5.0
PROBE_ANSWER_S = 3.0
ROUTER_PATIENCE_S = 2.0
CLIENT_PATIENCE_S = 10.0  # longer than the router's, or who sends to a member that stopped reading is cut off with it
SILENCE_S = 8.0
CLOSE_S = 0.5
REOPEN_S = 2.0
RETRY_FIRST_MS = 20
RETRY_LONGEST_MS = 2000
_ENVELOPE_ALLOWANCE = 64 * 1024


class _ZenohTransport(ABC):
    """What clients and routers have in common: one session, an inbox, topics."""

    def __init__(self, identity: TlsIdentity, chain: str) -> None:
        self._identity = identity
        self._chain = chain
        self._lock = threading.Lock()
        self._session: zenoh.Session | None = None
        self._subscriptions: list[tuple[str, Deliver]] = []
        self._tell: OnConnection = ignore_connection

    @property
    def node(self) -> NodeId:
        """The node whose connection this is."""
        return self._identity.node

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether payloads can be sent right now."""

    @abstractmethod
    def _open(self) -> zenoh.Session:
        """Open a session or raise the ComitiaError that explains why not."""

    def start(self, deliver: Deliver) -> None:
        """Connect, and call `deliver` with every payload addressed to this node."""
        check_identity(self._identity, now=datetime.now(UTC))
        self._subscriptions.append((inbox_key(self._chain, self.node), deliver))
        self._begin()

    def on_connection(self, tell: OnConnection) -> None:
        """Have `tell` told of each change of the connection."""
        self._tell = tell
        if self.connected:
            tell(True)

    def send(self, to: NodeId, payload: bytes) -> None:
        """Send to one node."""
        self._put(inbox_key(self._chain, to), payload)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send to all subscribers of a topic; the router drops what a plain member publishes."""
        self._put(topic_key(self._chain, topic), payload)

    def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Hear what is published on `topic`."""
        with self._lock:
            subscription = (topic_key(self._chain, topic), deliver)
            self._subscriptions.append(subscription)
            if self._session is not None:
                _declare(self._session, *subscription)

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            _shut(session)

    def _begin(self) -> None:
        with self._lock:
            self._resume()

    def _resume(self) -> None:
        """Open a session and declare again what is subscribed to; holding the lock."""
        self._session = self._open()
        for subscription in self._subscriptions:
            _declare(self._session, *subscription)

    def _put(self, key: str, payload: bytes) -> None:
        check_size(payload)
        with self._lock:
            session = self._session
            if session is None or not self.connected:
                raise UnavailableError(
                    "This node is not connected to a super node.",
                    code="not-connected",
                    hint="It connects again by itself; `comitia doctor` says what is wrong.",
                    node=self.node,
                )
        try:
            session.put(key, payload, congestion_control=zenoh.CongestionControl.BLOCK, express=True)
        except zenoh.ZError as error:
            raise UnavailableError(f"The message could not be sent: {error}", code="not-connected") from error


class ZenohClient(_ZenohTransport):
    """A provider's or requester's connection: dials out to one super node and keeps the connection alive.

    Parameters
    ----------
    identity : TlsIdentity
        This node's certificate and key.
    chain : str
        The consortium's chain id, 16 hexadecimal characters.
    endpoint : Endpoint
        The super node.
    patient : bool
        Whether `start` returns at once and goes on trying when no super node answers (a daemon), or raises (a
        command that a person waits for). Certificates of this node's own are judged at once either way.
    """

    def __init__(self, identity: TlsIdentity, chain: str, endpoint: Endpoint, *, patient: bool = False) -> None:
        super().__init__(identity, chain)
        self._endpoint = endpoint
        self._patient = patient
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._links: SimpleQueue[bool] = SimpleQueue()
        self._keeper: threading.Thread | None = None
        self.trouble: ComitiaError | None = None
        """Why the last attempt of a patient client failed; None once it has connected."""

    @property
    def connected(self) -> bool:
        """Whether a super node is connected and hears this node."""
        return self._ready.is_set()

    def close(self) -> None:
        """Disconnect, and stop trying to connect."""
        self._closing.set()
        self._links.put(False)
        if self._keeper is not None:
            self._keeper.join(CLOSE_S)
        super().close()
        self._ready.clear()

    def _begin(self) -> None:
        try:
            self._connect()
        except ComitiaError as error:
            if not self._patient:
                raise
            self.trouble = error
        self._keeper = threading.Thread(target=self._keep, name="zenoh-keeper", daemon=True)
        self._keeper.start()
        if not self._patient and not self._ready.wait(READY_S):
            self.close()
            raise UnavailableError(
                f"The super node at {self._endpoint} took the connection but is not ready.",
                code="super-node-not-ready",
                hint="Try again in a moment; if it stays so, look at the super node's log.",
                endpoint=str(self._endpoint),
            )

    def _connect(self) -> None:
        super()._begin()
        assert self._session is not None
        links: SimpleQueue[bool] = SimpleQueue()
        self._links = links  # one for each session, so that late news of the last one is not taken for this one's
        self._session.info.declare_transport_events_listener(
            _directly(lambda event: links.put(event.kind == zenoh.SampleKind.PUT)), history=True
        )

    def _keep(self) -> None:
        """Dial until there is a session, which from then on connects by itself; tell of its links coming and going."""
        self._dial()
        while not self._closing.is_set():
            try:
                linked = self._links.get(timeout=PROBE_S)
            except Empty:
                self._probe()
            else:
                self._note(linked and self._wait_for_super_node())
                if linked and not self._ready.is_set() and self._links.empty():
                    self._dial_anew()

    def _note(self, linked: bool) -> None:
        if linked == self._ready.is_set():
            return
        if linked:
            self._ready.set()
        else:
            self._ready.clear()
        self._tell(linked)

    def _probe(self) -> None:
        """Dial anew if the super node no longer answers although its link is up."""
        if not self._ready.is_set() or self._is_answered(PROBE_ANSWER_S) or not self._links.empty():
            return
        self._dial_anew()

    def _dial_anew(self) -> None:
        """Give up a session whose link is up and leads nowhere."""
        self._note(False)
        super().close()
        self._dial()

    def _dial(self) -> None:
        wait_ms = RETRY_FIRST_MS
        while self._session is None and not self._closing.wait(wait_ms / 1000):
            try:
                self._connect()
            except ComitiaError as error:
                self.trouble = error
                wait_ms = min(2 * wait_ms, RETRY_LONGEST_MS)
        if self._closing.is_set():
            super().close()
        else:
            self.trouble = None

    def _wait_for_super_node(self) -> bool:
        """Ask until the super node hears this node; false if the link is gone before, or nobody answers for long.

        A router listens a moment before it has subscribed to its own inbox, and what arrives then is lost. It begins to
        answer after that; and an answer has come behind this node's own subscriptions.
        """
        wait_ms = 1
        patience = time.monotonic() + SILENCE_S
        while self._links.empty() and time.monotonic() < patience:
            if self._is_answered(ANSWER_S):
                return True
            self._closing.wait(wait_ms / 1000)
            wait_ms = min(2 * wait_ms, RETRY_LONGEST_MS)
        return False

    def _is_answered(self, within_s: float) -> bool:
        session = self._session
        if session is None:
            return False
        try:
            return any(reply.ok is not None for reply in session.get(ready_key(self._chain), timeout=within_s))
        except zenoh.ZError:
            return False

    def _open(self) -> zenoh.Session:
        config = client_config(self._identity, self._endpoint)
        try:
            return zenoh.open(zenoh.Config.from_json5(json.dumps(config)))
        except zenoh.ZError as error:
            raise diagnose_connection(self._identity, self._endpoint) from error


class ZenohRouter(_ZenohTransport):
    """A super node's end: listens, relays between members, and enforces who may say and hear what.

    Parameters
    ----------
    identity : TlsIdentity
        This super node's certificate and key.
    chain : str
        The consortium's chain id.
    endpoint : Endpoint
        Address to listen on.
    super_nodes : iterable of NodeId
        All super nodes of the consortium, this one included.
    members : iterable of NodeId
        All other members.
    peers : tuple of Endpoint
        Other super nodes to connect to, tried for ever.
    """

    def __init__(
        self,
        identity: TlsIdentity,
        chain: str,
        endpoint: Endpoint,
        *,
        super_nodes: Iterable[NodeId],
        members: Iterable[NodeId] = (),
        peers: tuple[Endpoint, ...] = (),
    ) -> None:
        super().__init__(identity, chain)
        self._endpoint = endpoint
        self._super_nodes = frozenset(super_nodes)
        self._members = frozenset(members)
        self._peers = peers

    @property
    def connected(self) -> bool:
        """Whether the router is open."""
        return self._session is not None

    def update_members(self, members: Iterable[NodeId], *, super_nodes: Iterable[NodeId] | None = None) -> bool:
        """Let exactly these take part. Returns whether the router had to open again (clients then reconnect).

        Sends that come meanwhile wait. If the port is lost to another program in between, UnavailableError.
        """
        with self._lock:
            before = (self._members, self._super_nodes)
            self._members = frozenset(members)
            if super_nodes is not None:
                self._super_nodes = frozenset(super_nodes)
            if self._session is None or (self._members, self._super_nodes) == before:
                return False
            session, self._session = self._session, None
            _shut(session)
            self._reopen()
        return True

    def _reopen(self) -> None:
        """Resume on the same port, which QUIC gives back only some milliseconds after closing."""
        until = time.monotonic() + REOPEN_S
        while True:
            try:
                return self._resume()
            except UnavailableError:
                if time.monotonic() > until:
                    raise
            time.sleep(RETRY_FIRST_MS / 1000)

    def _resume(self) -> None:
        super()._resume()
        assert self._session is not None
        key = ready_key(self._chain)
        # Kept, since Zenoh would withdraw it together with the object.
        self._answerer = self._session.declare_queryable(key, _directly(lambda query: query.reply(key, b"")))

    def _open(self) -> zenoh.Session:
        config = _config(self._identity, "router", self._endpoint)
        config["listen"] = {"endpoints": [str(self._endpoint)], "timeout_ms": 0, "exit_on_failure": True}
        config["access_control"] = access_control(self._chain, self._super_nodes, self._members)
        config["connect"] = {
            "endpoints": [str(peer) for peer in self._peers],
            "timeout_ms": -1,
            "exit_on_failure": False,
            "retry": _RETRY,
        }
        try:
            return zenoh.open(zenoh.Config.from_json5(json.dumps(config)))
        except zenoh.ZError as error:
            raise diagnose_listening(self._endpoint, str(error)) from error


_RETRY = {
    "period_init_ms": RETRY_FIRST_MS,
    "period_max_ms": RETRY_LONGEST_MS,
    "period_increase_factor": 2,
}


def client_config(identity: TlsIdentity, endpoint: Endpoint) -> dict[str, object]:
    """Zenoh's configuration of a client: one attempt to connect, then, once connected, for ever again."""
    connect = {"endpoints": [str(endpoint)], "timeout_ms": 0, "exit_on_failure": True, "retry": _RETRY}
    return _config(identity, "client", endpoint) | {"connect": connect}


def _config(identity: TlsIdentity, mode: str, endpoint: Endpoint) -> dict[str, object]:
    certificate, private_key = _base64(identity.certificate), _base64(identity.private_key)
    tls: dict[str, object] = {
        "root_ca_certificate_base64": _base64(identity.authority),
        "connect_certificate_base64": certificate,
        "connect_private_key_base64": private_key,
        "enable_mtls": True,
        "verify_name_on_connect": True,
        "close_link_on_expiration": True,
    }
    if mode == "router":
        tls |= {"listen_certificate_base64": certificate, "listen_private_key_base64": private_key}
    patience_s = ROUTER_PATIENCE_S if mode == "router" else CLIENT_PATIENCE_S
    return {
        "mode": mode,
        # The delay is for scouting to find something; there is none, and it costs half a second.
        "scouting": {"multicast": {"enabled": False}, "gossip": {"enabled": False}, "delay": 0},
        "transport": {
            "shared_memory": {"enabled": False},
            "link": {
                "protocols": [endpoint.protocol],
                "rx": {"max_message_size": MAX_PAYLOAD + _ENVELOPE_ALLOWANCE},
                "tx": {
                    "queue": {"congestion_control": {"block": {"wait_before_close": round(patience_s * 1_000_000)}}}
                },
                "tls": tls,
            },
        },
    }


def _declare(session: zenoh.Session, key: str, deliver: Deliver) -> None:
    session.declare_subscriber(key, _directly(lambda sample: deliver(sample.payload.to_bytes())))


def _directly(call: Callable[[Any], None]) -> zenoh.handlers.Callback[Any]:
    # On Zenoh's own thread. Its default, a thread of Python's, is not a daemon: a program that failed without closing
    # its session would never end.
    return zenoh.handlers.Callback(call, indirect=False)


def _shut(session: zenoh.Session) -> None:
    """Close a session; one that cannot let go of a link is left to a thread that ends with the program."""
    closing = threading.Thread(target=_close, args=(session,), name="zenoh-closing", daemon=True)
    closing.start()
    closing.join(CLOSE_S)


def _close(session: zenoh.Session) -> None:
    try:
        session.close()  # type: ignore[no-untyped-call]  # zenoh's stub says nothing of its result
    except zenoh.ZError as error:
        log.info("left a link behind whose other end has stopped reading: %s", error)


def _base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode("ascii")
