"""Deletes the models that a node keeps and nobody can be given any more.

A model may be served for as long as the consortium has agreed on (`cache_ms`), counted from the end of its session, by
the ledger's time: a clock that is ahead deletes nothing. One that no session on the ledger has, as it was not sealed or
not yet, goes once all sessions have ended that were open when it was first seen. Codebooks on the ledger stay: whoever
lacks one asks for it. What others rely on, the ledger and its evidence, is not kept here.

Each deletion is one of a file that can be had again, and rests on the ledger alone: a crash between two of them leaves
the rest for the next time.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Final

from comitia.core.counting import counted
from comitia.core.errors import StorageError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.node import Node
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.ledger.session import Phase
from comitia.roles.messages import Received

log = logging.getLogger("comitia.retention")

_ROOM: Final = 0.9
"""Down to which share of what is allowed the oldest models go, so that the next one does not bring it about again."""


class Retention:
    """The part of a node that keeps its disk from filling with the past.

    Looks when the node has started and caught up, at each new epoch, and when more is kept than is allowed.

    Parameters
    ----------
    node : Node
    most_bytes : int
        Of models; beyond it those go first whose session ended first, though they could still be served.
    own : collection of bytes
        Digests of codebooks that are here and not on the ledger yet.
    """

    def __init__(self, node: Node, most_bytes: int, own: Collection[bytes] = ()) -> None:
        self._node = node
        self._most_bytes = most_bytes
        self._own = frozenset(own)
        self._unsealed: dict[bytes, frozenset[SessionId]] = {}
        self._epoch = -1
        self._kept_bytes = 0
        node.on_membership(self._tidy)

    # --- what comes in ------------------------------------------------------------------------------

    def on_block(self, block: Block, applied: Applied) -> None:
        if self._epoch < 0 or self._node.is_behind:
            return
        for changed in applied.changed_sessions:
            session = self._node.application.session(changed)
            if session is not None and session.phase is Phase.SEALED and session.block is not None:
                self._kept_bytes += session.block.model_size
        if self._node.application.epoch != self._epoch or self._kept_bytes > self._most_bytes:
            self._tidy()

    def on_message(self, received: Received) -> None:
        """Nobody writes to this part."""

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        """Nothing is posted here."""

    def on_wake(self, session: SessionId) -> None:
        """There are no timers here."""

    def on_heartbeat(self) -> None:
        """Blocks bring the time along."""

    def on_store_changed(self) -> None:
        """Commands keep no models."""

    # --- keeping order ------------------------------------------------------------------------------

    def _tidy(self) -> None:
        node = self._node
        self._epoch = node.application.epoch
        node.store.drop_partial()
        closed_ms = self._sealed()
        kept = node.store.artefacts()
        spared = self._own | {entry.digest for entry in node.application.codebooks()}
        unsealed = [name for name in kept if name not in closed_ms and name not in spared]
        models = {name: size for name, size in kept.items() if name in closed_ms}
        self._kept_bytes = sum(models.values())
        oldest = self._ledger_ms() - node.genesis.parameters.cache_ms
        over = {name for name in models if closed_ms[name] < oldest}
        over |= self._beyond(models, closed_ms, over)
        over |= self._abandoned(unsealed)
        for name in over:
            try:
                node.store.drop_artefact(name)
            except StorageError as error:  # another program may be reading it; the next time will do
                log.warning("not deleted: %s", error.message)
                return
            self._kept_bytes -= models.get(name, 0)
        if over:
            log.info("%s deleted that cannot be served any more", counted(len(over), "model"))

    def _ledger_ms(self) -> int:
        engine = self._node.engine
        return engine.block(engine.height).header.time_ms if engine.height else 0

    def _sealed(self) -> dict[bytes, int]:
        """When the last session with this model ended, ms, by the model's digest."""
        closed: dict[bytes, int] = {}
        for session in self._node.application.sessions():
            if session.block is not None:
                closed[session.block.model] = max(session.closed_ms, closed.get(session.block.model, 0))
        return closed

    def _beyond(self, models: Mapping[bytes, int], closed_ms: Mapping[bytes, int], over: set[bytes]) -> set[bytes]:
        """The oldest of the models that are left, as far as they are too much."""
        left = {name: size for name, size in models.items() if name not in over}
        total = sum(left.values())
        beyond: set[bytes] = set()
        if total <= self._most_bytes:
            return beyond
        for name in sorted(left, key=lambda name: (closed_ms[name], name)):
            if total <= self._most_bytes * _ROOM:
                break
            beyond.add(name)
            total -= left[name]
        return beyond

    def _abandoned(self, unsealed: Collection[bytes]) -> set[bytes]:
        """What no session on the ledger has, and no session that is open can have."""
        now_open = frozenset(session.id for session in self._node.application.open_sessions())
        self._unsealed = {name: self._unsealed.get(name, now_open) & now_open for name in unsealed}
        return {name for name, waiting in self._unsealed.items() if not waiting}
