"""Has, hands out and fetches public artefacts (codebooks) by digest, part by part.

Members fetch from the super node. A super node that finds one of its own damaged or gone takes it again from the file
that it was given, or from the members, one after the other; those who are found by that codebook first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from comitia.core.codec import digest
from comitia.core.errors import DamagedError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.driver.node import Node
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.roles.messages import PART_BYTES, Artefact, AskArtefact, Received, parts_of
from comitia.text.codebook import Codebook

log = logging.getLogger("comitia.library")

RETRY_MS: Final = 2_000


@dataclass(slots=True)
class _Fetch:
    """An artefact on its way: the parts that came so far, who waits, when it was last asked for, whose turn it is."""

    waiting: list[Callable[[bytes], None]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    asked_ms: int = 0
    turn: int = 0


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
        self._given: dict[bytes, Callable[[], bytes]] = {}
        self._epoch = -1
        node.on_membership(self._look_after)

    def give(self, digest: bytes, read: Callable[[], bytes]) -> None:
        """Say how to read an artefact anew from where it was taken; what is read may be anything by then."""
        self._given[digest] = read

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
        given = self._given[wanted]() if wanted in self._given else b""
        if digest(given) == wanted:
            log.warning("codebook %s was damaged or gone here: it is taken from the file again", wanted.hex()[:12])
            self._node.store.keep_artefact(wanted, given)
            then(given)
            return
        if wanted not in self._fetches:
            self._fetches[wanted] = _Fetch()
            self._tell_loss(wanted)
        self._fetches[wanted].waiting.append(then)
        self._ask(wanted, self._fetches[wanted])

    def on_message(self, received: Received) -> None:
        match received.message:
            case Artefact() as artefact:
                self._take(received.sender, artefact)
            case AskArtefact() as question if received.registered or self._leads:
                self._answer(received.sender, question)
            case _:
                pass

    def on_heartbeat(self) -> None:
        for wanted, fetch in self._fetches.items():
            if self._node.now_ms() - fetch.asked_ms >= RETRY_MS:
                if self._leads:
                    fetch.turn += 1
                    fetch.parts.clear()
                self._ask(wanted, fetch)

    def on_block(self, block: Block, applied: Applied) -> None:
        if self._node.application.epoch != self._epoch >= 0:
            self._look_after()

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        """Nothing is posted here."""

    def on_wake(self, session: SessionId) -> None:
        """There are no timers here."""

    def on_store_changed(self) -> None:
        """Nothing here depends on it."""

    @property
    def _leads(self) -> bool:
        """Whether this is the node that others fetch from."""
        return self._node.ordering is not None

    def _look_after(self) -> None:
        """At the super node, at its start and in each epoch: find out what is damaged before somebody needs it."""
        self._epoch = self._node.application.epoch
        if self._leads:
            for entry in self._node.application.codebooks():
                if entry.digest not in self._fetches:
                    self.need(entry.digest, lambda _: None)

    def _tell_loss(self, wanted: bytes) -> None:
        if self._leads and self._node.application.codebook(wanted) is not None:
            log.error(
                "codebook %s is damaged or gone here, and nobody can fetch it: the members are asked for it. If none "
                "of them has it, start this super node with --codebook FILE",
                wanted.hex()[:12],
            )

    def _source(self, wanted: bytes, fetch: _Fetch) -> NodeId | None:
        """Who is asked: the super node, or for a super node the member whose turn it is."""
        node = self._node
        if not self._leads:
            return node.super_node
        others = sorted(member.node for member in node.application.active_members() if member.node != node.node)
        found_by = {record.provider for record in node.application.profiles() if record.codebook == wanted}
        others.sort(key=lambda member: member not in found_by)
        return others[fetch.turn % len(others)] if others else None

    def _ask(self, wanted: bytes, fetch: _Fetch) -> None:
        fetch.asked_ms = self._node.now_ms()
        source = self._source(wanted, fetch)
        if source is not None:
            self._node.send(source, b"", AskArtefact(digest=wanted, part=len(fetch.parts)))

    def _answer(self, to: NodeId, question: AskArtefact) -> None:
        """Send a part of a codebook on the ledger, or say that it is not here."""
        public = self._node.application.codebook(question.digest) is not None
        data = self._node.store.artefact(question.digest) if public else None
        parts = 0 if data is None else parts_of(len(data))
        piece = b""
        if data is not None and 0 <= question.part < parts:
            piece = data[question.part * PART_BYTES :][:PART_BYTES]
        else:
            parts = 0
        self._node.send(to, b"", Artefact(digest=question.digest, part=question.part, parts=parts, data=piece))
        if public and data is None and self._leads and question.digest not in self._fetches:
            self.need(question.digest, lambda _: None)

    def _take(self, sender: NodeId, artefact: Artefact) -> None:
        """Take the next part, from who was asked, if it is one of what the ledger has: neither more, nor longer."""
        fetch = self._fetches.get(artefact.digest)
        known = self._node.application.codebook(artefact.digest)
        if fetch is None or known is None or artefact.part != len(fetch.parts):
            return
        if sender != self._source(artefact.digest, fetch):
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
            fetch.turn += 1
            self._ask(artefact.digest, fetch)
            return
        del self._fetches[artefact.digest]
        if self._leads:
            log.info("codebook %s is here again", artefact.digest.hex()[:12])
        self._node.store.keep_artefact(artefact.digest, data)
        for then in fetch.waiting:
            then(data)
