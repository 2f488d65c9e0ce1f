"""Fetches public artefacts (codebooks) from the super node by digest, part by part, and keeps them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from comitia.core.codec import digest
from comitia.core.errors import DamagedError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.node import Node
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.roles.messages import PART_BYTES, Artefact, AskArtefact, Received, parts_of
from comitia.text.codebook import Codebook

log = logging.getLogger("comitia.library")

RETRY_MS: Final = 2_000


@dataclass(slots=True)
class _Fetch:
    """An artefact on its way: the parts that came so far, who waits, when it was last asked for."""

    waiting: list[Callable[[bytes], None]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    asked_ms: int = 0


class Library:
    """The part of a node that has, or gets, what is public.

    Parameters
    ----------
    node : Node
    read : reads a codebook.
    """

    def __init__(self, node: Node, read: Callable[[bytes], Codebook] = Codebook.from_bytes) -> None:
        self._node = node
        self._read = read
        self._fetches: dict[bytes, _Fetch] = {}
        self._codebooks: dict[bytes, Codebook] = {}

    def codebook(
        self, wanted: bytes, then: Callable[[Codebook], None], otherwise: Callable[[], None] = lambda: None
    ) -> None:
        """Call `then` with the codebook whose digest is `wanted`, once it is here; `otherwise`, if it is none."""

        def came(data: bytes) -> None:
            try:
                self._codebooks[wanted] = self._codebooks.get(wanted) or self._read(data)
            except DamagedError as error:  # whoever put it on the ledger is to blame, and no reason to end
                log.error("codebook %s on the ledger is of no use: %s", wanted.hex()[:12], error.message)
                otherwise()
                return
            then(self._codebooks[wanted])

        if wanted in self._codebooks:
            then(self._codebooks[wanted])
        else:
            self.need(wanted, came)

    def need(self, wanted: bytes, then: Callable[[bytes], None]) -> None:
        """Call `then` with the artefact whose digest is `wanted`: now if it is here, else once it came."""
        held = self._node.store.artefact(wanted)
        if held is not None:
            then(held)
            return
        fetch = self._fetches.setdefault(wanted, _Fetch())
        fetch.waiting.append(then)
        self._ask(wanted, fetch)

    def on_message(self, received: Received) -> None:
        match received.message:
            case Artefact() as artefact if received.sender == self._node.super_node:
                self._take(artefact)
            case _:
                pass

    def on_heartbeat(self) -> None:
        for wanted, fetch in self._fetches.items():
            if self._node.now_ms() - fetch.asked_ms >= RETRY_MS:
                self._ask(wanted, fetch)

    def on_block(self, block: Block, applied: Applied) -> None:
        """Blocks carry no artefacts."""

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        """Nothing is posted here."""

    def on_wake(self, session: SessionId) -> None:
        """There are no timers here."""

    def on_store_changed(self) -> None:
        """Nothing here depends on it."""

    def _ask(self, wanted: bytes, fetch: _Fetch) -> None:
        fetch.asked_ms = self._node.now_ms()
        question = AskArtefact(digest=wanted, part=len(fetch.parts))
        self._node.send(self._node.super_node, b"", question)

    def _take(self, artefact: Artefact) -> None:
        """Take the next part, if it is one of what the ledger has: neither more of them, nor longer."""
        fetch = self._fetches.get(artefact.digest)
        known = self._node.application.codebook(artefact.digest)
        if fetch is None or known is None or artefact.part != len(fetch.parts):
            return
        if artefact.parts != parts_of(known.size) or len(artefact.data) > PART_BYTES:
            return
        fetch.parts.append(artefact.data)
        if len(fetch.parts) < artefact.parts:
            self._ask(artefact.digest, fetch)
            return
        data = b"".join(fetch.parts)
        if digest(data) != artefact.digest:
            log.warning("artefact %s came damaged; asking again", artefact.digest.hex()[:12])
            fetch.parts.clear()
            self._ask(artefact.digest, fetch)
            return
        del self._fetches[artefact.digest]
        self._node.store.keep_artefact(artefact.digest, data)
        for then in fetch.waiting:
            then(data)
