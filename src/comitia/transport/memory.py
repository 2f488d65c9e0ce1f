"""An in-process transport with the same contract as the real one, for tests and single-process use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from comitia.core.errors import UnavailableError
from comitia.core.ids import NodeId
from comitia.transport.contract import Deliver, OnConnection, check_size, ignore_connection


class MemoryHub:
    """Joins transports of one process into a consortium, and can cut one of them off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connected: dict[NodeId, MemoryTransport] = {}

    def transport(self, node: NodeId, *, super_node: bool = False) -> MemoryTransport:
        """A transport for `node`; not connected until started."""
        return MemoryTransport(self, node, super_node=super_node)

    def cut(self, transport: MemoryTransport) -> None:
        """Break a transport's connection, as a network would."""
        with self._lock:
            removed = self._connected.pop(transport.node, None)
        if removed is not None:
            removed.tell_connection(False)

    def restore(self, transport: MemoryTransport) -> None:
        """Connect a transport, first or again."""
        with self._lock:
            self._connected[transport.node] = transport
        transport.tell_connection(True)

    def is_connected(self, transport: MemoryTransport) -> bool:
        """Whether a transport is connected."""
        return self._connected.get(transport.node) is transport

    def route(self, to: NodeId, payload: bytes) -> None:
        """Hand a payload to a node's inbox, or drop it."""
        with self._lock:
            receiver = self._connected.get(to)
        if receiver is not None:
            receiver.accept(None, payload)

    def broadcast(self, topic: str, payload: bytes) -> None:
        """Hand a payload to all who are connected."""
        with self._lock:
            receivers = tuple(self._connected.values())
        for receiver in receivers:
            receiver.accept(topic, payload)


class MemoryTransport:
    """One node's connection to a `MemoryHub`. Delivers on a thread of its own, so that senders never wait."""

    def __init__(self, hub: MemoryHub, node: NodeId, *, super_node: bool) -> None:
        self._hub = hub
        self._node = node
        self._super_node = super_node
        self._topics: dict[str, list[Deliver]] = {}
        self._tell: OnConnection = ignore_connection
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def node(self) -> NodeId:
        """The node whose connection this is."""
        return self._node

    @property
    def connected(self) -> bool:
        """Whether payloads can be sent right now."""
        return self._hub.is_connected(self)

    def start(self, deliver: Deliver) -> None:
        """Connect to the hub."""
        self._deliver = deliver
        self._thread = threading.Thread(target=self._run, name=f"memory-transport-{self._node[:8]}", daemon=True)
        self._thread.start()
        self._hub.restore(self)

    def on_connection(self, tell: OnConnection) -> None:
        """Have `tell` told of each change of the connection."""
        self._tell = tell
        if self.connected:
            self.tell_connection(True)

    def send(self, to: NodeId, payload: bytes) -> None:
        """Send to one node."""
        check_size(payload)
        self._require_connection()
        self._hub.route(to, payload)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send to all subscribers of a topic; dropped unless this is a super node."""
        check_size(payload)
        self._require_connection()
        if self._super_node:
            self._hub.broadcast(topic, payload)

    def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Hear what is published on `topic`."""
        self._topics.setdefault(topic, []).append(deliver)

    def close(self) -> None:
        """Disconnect from the hub."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._hub.cut(self)
        self._work.put(None)
        thread.join()

    def accept(self, topic: str | None, payload: bytes) -> None:
        """Queue a payload for delivery: of the inbox, or of a topic."""
        receivers = [self._deliver] if topic is None else self._topics.get(topic, [])
        for deliver in receivers:
            self._work.put(lambda deliver=deliver: deliver(payload))  # type: ignore[misc]

    def tell_connection(self, connected: bool) -> None:
        """Queue news of the connection behind what was received before."""
        self._work.put(lambda: self._tell(connected))

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _require_connection(self) -> None:
        if not self.connected:
            raise UnavailableError("This node is not connected.", code="not-connected", node=self._node)
