"""One node's process: an event queue on one thread, with the system's clock, random generator and transport.

Everything a node does happens on that thread, in the order of the queue; the transport's threads only put
packets there.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from comitia.driver.node import HEARTBEAT_MS, Node
from comitia.driver.ports import BLOCKS_TOPIC
from comitia.engines.embedded import EmbeddedEngine
from comitia.ledger.genesis import Genesis, Membership
from comitia.storage.keys import NodeKeys
from comitia.storage.node import NodeStore
from comitia.transport.contract import Transport

log = logging.getLogger("comitia.node")

HEARTBEAT_S = HEARTBEAT_MS / 1_000

INBOX_LIMIT: Final = 4_096
"""Most packets that wait; `driver.desk` has begun to turn transactions away long before."""

INBOX_BYTES: Final = 128 << 20
"""Most bytes of packets that wait: a few thousand of the longest would be more than a machine has."""

BLOCK_MS: Final = 100
"""How long a super node puts a block off while messages keep coming."""


class Daemon(Node):
    """A `Node` that runs.

    Parameters
    ----------
    genesis, membership, keys
        Who this node is and in which consortium.
    engine : EmbeddedEngine
        This node's copy of the ledger.
    store : NodeStore
    transport : Transport
        Not yet started.
    """

    engine: EmbeddedEngine
    store: NodeStore

    def __init__(
        self,
        *,
        genesis: Genesis,
        membership: Membership,
        keys: NodeKeys,
        engine: EmbeddedEngine,
        store: NodeStore,
        transport: Transport,
    ) -> None:
        super().__init__(
            genesis=genesis,
            membership=membership,
            keys=keys,
            engine=engine,
            store=store,
            wire=transport,
            clock=lambda: time.time_ns() // 1_000_000,
            draw=os.urandom,
        )
        self.transport = transport
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._running = False
        self._block_ms = 0
        self._dropped = 0
        self._counting = threading.Lock()
        self._waiting_bytes = 0

    @property
    def backlog(self) -> int:
        return self._inbox.qsize()

    def call(self, action: Callable[[], None]) -> None:
        """Run `action` on the node's thread; for other threads."""
        self._inbox.put(action)

    def run(self) -> None:
        """Run until `stop`."""
        self._running = True
        self.transport.on_connection(lambda connected: self._inbox.put(lambda: self.on_connection(connected)))
        self.transport.start(self._packet_came)
        if self.ordering is None:
            self.transport.subscribe(BLOCKS_TOPIC, lambda data: self._line_up(data, self.on_block))
        try:
            self.take(self.heartbeat)
            while self._running:
                self._turn()
        finally:
            self.transport.close()
            self.engine.close()
            self.store.close()

    def stop(self) -> None:
        """End `run` after the event in hand; for any thread."""
        self._inbox.put(None)

    def _packet_came(self, data: bytes) -> None:
        self._line_up(data, self.on_packet)

    def _line_up(self, data: bytes, deal_with: Callable[[bytes], None]) -> None:
        """Put a packet in line; on the transport's thread. Beyond a limit it is lost, and its sender tries again."""
        with self._counting:
            room = self._inbox.qsize() < INBOX_LIMIT and self._waiting_bytes + len(data) <= INBOX_BYTES
            self._waiting_bytes += len(data) if room else 0
        if room:
            self._inbox.put(lambda: self._next_packet(data, deal_with))
            return
        self._dropped += 1
        if self._dropped % INBOX_LIMIT == 1:
            log.warning("%d packets dropped so far: more come than this node can deal with", self._dropped)

    def _next_packet(self, data: bytes, deal_with: Callable[[bytes], None]) -> None:
        with self._counting:
            self._waiting_bytes -= len(data)
        deal_with(data)

    def _turn(self) -> None:
        """Wait for the next event or timer and deal with it."""
        try:
            action = self._inbox.get(timeout=self._seconds_to_timer())
        except queue.Empty:
            action = self.heartbeat
        if action is None:
            self._running = False
            return
        self.take(action)
        if self.ordering is not None and (self._inbox.empty() or self.now_ms() - self._block_ms >= BLOCK_MS):
            self.take(self.ordering.make_block)
            self._block_ms = self.now_ms()

    def _seconds_to_timer(self) -> float:
        due = self.next_timer_ms
        return HEARTBEAT_S if due is None else min(HEARTBEAT_S, max(0.0, (due - self.now_ms()) / 1_000))
