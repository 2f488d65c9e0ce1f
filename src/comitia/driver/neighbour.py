"""A node among others: answers what it is asked, drives lookups over the transport, and watches who is there.

Every question and answer is sealed from node to node; the super node that relays it sees who writes to whom.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from comitia.core.errors import DamagedError, InputError, ProtocolError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.driver.directory import LedgerDirectory
from comitia.driver.node import Node
from comitia.ledger.application import Applied
from comitia.ledger.block import Block
from comitia.retrieval.liveness import Liveness, answered, probe
from comitia.retrieval.lookup import Alive, Ask, Lookup, Probe, Reply
from comitia.retrieval.routing_id import ID_BITS
from comitia.retrieval.table import Find, Found
from comitia.roles.messages import AskLater, Received

log = logging.getLogger("comitia.neighbour")

PATIENCE_MS: Final = 2_000
"""How long an answer may take."""

WATCH_MS: Final = 2_000
"""A watching node sends one probe in this time, however much or little is asked of the network."""

COMPARE_MS: Final = 5_000
"""At most so often a node whose ledger has grown compares it with another member's."""

COMPARISONS: Final = 3
"""How many members a node compares a ledger with that does not grow any more."""

NONCE_BYTES: Final = 16


@dataclass(slots=True)
class _Round:
    """Questions of one lookup that are still open, by whom they were sent to and their nonce.

    again_ms : when they are sent again to a node that could not answer them; 0 once they were.
    """

    lookup: Lookup
    done: Callable[[], None]
    open: dict[tuple[NodeId, bytes], Ask] = field(default_factory=dict)
    since_ms: int = 0
    again_ms: dict[NodeId, int] = field(default_factory=dict)


class Neighbour:
    """The part of a node that others can find, and that finds others.

    Members who share no session would not learn that a super node tells them different histories. So a node whose
    ledger has grown probes members drawn at random: like all that members say to each other, a probe and its answer
    name the block at which their sender stands.

    Parameters
    ----------
    node : Node
    watching : bool
        Probe the providers one after the other, for good, and write in the log who falls silent.

    Attributes
    ----------
    directory : LedgerDirectory
        Of the overlay; to be used on the node's thread.
    """

    def __init__(self, node: Node, *, watching: bool = False) -> None:
        self.directory = LedgerDirectory(node)
        self._node = node
        self._watching = watching
        self._rounds: list[_Round] = []
        self._liveness = Liveness()
        self._probed_ms = 0
        self._nonce = b""
        self._compared_ms = 0
        self._to_compare = 0
        self._generator = np.random.default_rng(list(node.draw(16)))

    def look_up(self, lookup: Lookup, done: Callable[[], None]) -> None:
        """Drive a lookup to its end, then call `done`; on the node's thread."""
        self._ask(_Round(lookup, done))

    def on_message(self, received: Received) -> None:
        """Answer members' questions; take answers to where they were waited for."""
        if not received.registered:
            return
        match received.message:
            case Probe(nonce=nonce):
                _require_nonce(nonce, received.sender)
                self._node.send(received.sender, b"", Alive(nonce=nonce))
            case Find() as find:
                self._find(received.sender, find)
            case (Alive() | Found()) as reply:
                self._answered(received.sender, reply)
            case AskLater(wait_ms=wait_ms):
                self._put_off(received.sender, wait_ms)
            case _:
                pass

    def on_heartbeat(self) -> None:
        """Count as silent who was asked long enough ago; send the next probe when it is due."""
        now = self._node.now_ms()
        self._ask_again(now)
        for round_ in [r for r in self._rounds if now - r.since_ms >= PATIENCE_MS]:
            for ask in round_.open.values():
                round_.lookup.silent(ask)
            self._rounds.remove(round_)
            self._ask(round_)
        if self._watching and now - self._probed_ms >= WATCH_MS:
            self._watch(now)
        if self._to_compare and now - self._compared_ms >= COMPARE_MS:
            self._compare(now)

    def on_block(self, block: Block, applied: Applied) -> None:
        """Others may know another block of this height."""
        self._to_compare = COMPARISONS

    def on_refused(self, transaction: TransactionId, code: str, message: str) -> None:
        """Nothing is posted here."""

    def on_wake(self, session: SessionId) -> None:
        """There are no timers here."""

    def on_store_changed(self) -> None:
        """Nothing here depends on it."""

    def _find(self, sender: NodeId, find: Find) -> None:
        """Answer from this node's own table; whoever takes another's id for this node's gets no answer."""
        _require_nonce(find.nonce, sender)
        if len(find.target) > ID_BITS or not set(find.target) <= {"0", "1"}:
            raise ProtocolError(f"{sender} looks for {find.target[:16]!r}, which is no prefix", code="malformed")
        try:
            table = self.directory.own_table(find.place)
        except (InputError, DamagedError) as error:
            log.info("cannot answer a lookup yet: %s", error.message)
            return
        if table is not None:
            self._node.send(sender, b"", replace(table.answer(find.target), nonce=find.nonce))

    def _ask(self, round_: _Round) -> None:
        """Send the questions of a lookup's next round; whoever is no member is silent at once."""
        while asks := round_.lookup.ask():
            round_.open = {}
            round_.again_ms = {}
            round_.since_ms = self._node.now_ms()
            for ask in asks:
                if self._node.application.member(ask.to) is None:
                    round_.lookup.silent(ask)
                    continue
                question = ask.question
                if isinstance(question, Find):
                    question = replace(question, nonce=self._node.draw(NONCE_BYTES))
                self._node.send(ask.to, b"", question)
                round_.open[ask.to, question.nonce] = ask
            if round_.open:
                self._rounds.append(round_)
                return
        round_.done()

    def _put_off(self, busy: NodeId, wait_ms: int) -> None:
        """Ask a node again that is busy, when it says; once in a round, or it could hold a lookup up for ever."""
        at_ms = self._node.now_ms() + wait_ms
        for round_ in self._rounds:
            if busy not in round_.again_ms and any(to == busy for to, _ in round_.open):
                round_.again_ms[busy] = at_ms
                round_.since_ms = max(round_.since_ms, at_ms)

    def _ask_again(self, now: int) -> None:
        for round_ in self._rounds:
            for node in [node for node, at_ms in round_.again_ms.items() if 0 < at_ms <= now]:
                round_.again_ms[node] = 0
                for (to, nonce), ask in round_.open.items():
                    if to == node:
                        self._node.send(to, b"", replace(ask.question, nonce=nonce))

    def _answered(self, sender: NodeId, reply: Reply) -> None:
        if isinstance(reply, Alive) and self._nonce and reply.nonce == self._nonce:
            self._liveness = answered(self._liveness, sender)
        round_ = next((r for r in self._rounds if (sender, reply.nonce) in r.open), None)
        if round_ is None:
            return
        ask = round_.open.pop((sender, reply.nonce))
        try:
            round_.lookup.heard(ask, reply)
        except ProtocolError as error:
            log.warning("refused an answer of %s: %s (%s)", ask.to, error.message, error.code)
        if not round_.open:
            self._rounds.remove(round_)
            self._ask(round_)

    def _watch(self, now: int) -> None:
        providers = [record.provider for record in self._node.application.profiles()]
        before = self._liveness.gone
        self._liveness, chosen = probe(self._liveness, providers, self._generator)
        self._probed_ms = now
        for node in self._liveness.gone - before:
            log.warning("provider %s does not answer", node)
        if chosen is not None:
            self._nonce = self._node.draw(NONCE_BYTES)
            self._node.send(chosen, b"", Probe(nonce=self._nonce))

    def _compare(self, now: int) -> None:
        """Show a member the head of this node's ledger, and be shown its own.

        Super nodes are not asked: one that tells two histories has the right answer for everybody.
        """
        self._to_compare -= 1
        self._compared_ms = now
        application, orderers = self._node.application, {entry.node for entry in self._node.genesis.super_nodes}
        others = [
            member.node
            for member in application.members()
            if member.is_active(application.epoch) and member.node not in orderers | {self._node.node}
        ]
        if others:
            to = others[int(self._generator.integers(len(others)))]
            self._node.send(to, b"", Probe(nonce=self._node.draw(NONCE_BYTES)))


def _require_nonce(nonce: bytes, sender: NodeId) -> None:
    if len(nonce) != NONCE_BYTES:
        raise ProtocolError(f"{sender} asks without a nonce", code="malformed")
