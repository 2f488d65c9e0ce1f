"""One Zenoh session of a node: an inbox, topics, and how it is opened and closed.

Zenoh itself fragments large payloads, and connects again after a loss.
"""

from __future__ import annotations

import json
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import zenoh

from comitia.core.errors import UnavailableError
from comitia.core.ids import NodeId
from comitia.transport.access import inbox_key, topic_key
from comitia.transport.certificates import TlsIdentity, check_identity
from comitia.transport.contract import Deliver, OnConnection, check_size, ignore_connection

log = logging.getLogger(__name__)

CLOSE_S: Final = 0.5
"""How long closing may take before it is left to a thread that ends with the program."""


class ZenohTransport(ABC):
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
            shut(session)

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


def _declare(session: zenoh.Session, key: str, deliver: Deliver) -> None:
    session.declare_subscriber(key, directly(lambda sample: deliver(sample.payload.to_bytes())))


def open_session(config: dict[str, object]) -> zenoh.Session:
    """Open a session, or raise what Zenoh says: zenoh.ZError."""
    return zenoh.open(zenoh.Config.from_json5(json.dumps(config)))


def directly(call: Callable[[Any], None]) -> zenoh.handlers.Callback[Any]:
    """Have `call` run on Zenoh's own thread.

    Its default, a thread of Python's, is no daemon: a program that failed without closing its session would never end.
    """
    return zenoh.handlers.Callback(call, indirect=False)


def shut(session: zenoh.Session) -> None:
    """Close a session; one that cannot let go of a link is left to a thread that ends with the program."""
    closing = threading.Thread(target=_close, args=(session,), name="zenoh-closing", daemon=True)
    closing.start()
    closing.join(CLOSE_S)


def _close(session: zenoh.Session) -> None:
    try:
        session.close()  # type: ignore[no-untyped-call]  # zenoh's stub says nothing of its result
    except zenoh.ZError as error:
        log.info("left a link behind whose other end has stopped reading: %s", error)
