"""What all machines of a world share: virtual time, chance, a network, a ledger's history, and a record of it all.

One event after another, in the order of (time, number): no threads, no sleeps, no clock, no floats, and no order of
sets or hashes. The same seed gives the same run, to the byte.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import NamedTuple

from comitia.consensus.committee import faults_tolerated
from comitia.core.ids import NodeId
from comitia.roles.messages import Received
from comitia.simulator.crash_points import CRASH_POINTS
from comitia.simulator.faults import Fault, Fired
from comitia.simulator.founding import Founding, found
from comitia.simulator.network import Network
from comitia.simulator.replica import History
from comitia.simulator.trace import Trace, describe
from comitia.simulator.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run is about.

    providers, witnesses, super_nodes : the consortium.
    requests : how many are made in each world; two more where the crash point whose turn it is needs them.
    faults : kinds that may happen.
    points : crash points that have their turn.
    adversaries : names of strategies; each run has one, in turn.
    """

    providers: int = 9
    witnesses: int = 1
    super_nodes: int = 1
    requests: int = 4
    points: tuple[str, ...] = CRASH_POINTS
    faults: frozenset[Fault] = frozenset()
    adversaries: tuple[str, ...] = ()


class Letter(NamedTuple):
    """A message on its way, as its sender gave it away."""

    to: NodeId
    received: Received


class Surroundings:
    """All of a world but its machines.

    Parameters
    ----------
    seed : int
    setting : Setting
    keep : whether to keep the story.

    Attributes
    ----------
    letters : every message that was sent, by the bytes that went over the wire.
    unchecked : those that no checker has seen yet.
    inboxes : where each machine takes in what comes.
    fired, points : faults and crash points, with how often each happened.
    sealed_wire : whether packets are signed and sealed as on a real wire, which takes four times as long.
    may_fail : how many more members may fail for good or lie.
    """

    def __init__(self, seed: int, setting: Setting, *, keep: bool = False) -> None:
        self.seed = seed
        self.setting = setting
        self.random = Random(f"comitia {seed}")
        self.founding: Founding = found(setting.providers, setting.witnesses, setting.super_nodes)
        self.history = History(self.founding)
        self.watch = Watch(founding=self.founding, now=self.history.latest, chain=[self.history.first])
        self.trace = Trace(keep=keep)
        self.fired: Fired = Counter()
        self.points: Fired = Counter()
        self.violations: list[str] = []
        self.letters: dict[bytes, Letter] = {}
        self.unchecked: list[Letter] = []
        self.inboxes: dict[NodeId, Callable[[bytes], None]] = {}
        self.sealed_wire = seed % 100 == 49
        self.now = 0
        self.start_ms = self.history.latest.block.header.time_ms + 100
        self.names: dict[NodeId, str] = {party.node: party.name for party in self.founding.parties}
        self.faults = frozenset(kind for kind in Fault if kind in setting.faults and self.random.randrange(3))
        self.network = Network(self.random, self.faults, self.fired, self._arrive_later)
        self.may_fail = faults_tolerated(setting.providers + min(setting.witnesses, 4))
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do something after a while."""
        self._number += 1
        heapq.heappush(self._events, (self.now + delay_ms, self._number, action))

    def note(self, text: str) -> None:
        self.trace.note(self.now, text)

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, action = heapq.heappop(self._events)
        action()

    @property
    def turn(self) -> str:
        """The crash point that is this seed's turn."""
        return self.setting.points[self.seed % len(self.setting.points)]

    def hold(self, broken: Iterable[str]) -> None:
        """Write down sentences that were broken, each once."""
        for text in broken:
            if text not in self.violations:
                self.violations.append(text)
                self.note(f"VIOLATION {text}")

    # --- the wire -----------------------------------------------------------------------------------

    def sent(self, letter: Letter, data: bytes) -> None:
        """A packet has left; what others may see of it is checked soon, whatever becomes of it."""
        sender = letter.received.sender
        name = self.names.get(letter.to, letter.to)
        self.note(f"{self.names[sender]} -> {name}: {describe(letter.received.message, self.names)}")
        self.unchecked.append(letter)
        self.network.carry(self.now, sender, letter.to, data)

    def published(self, sender: NodeId, data: bytes) -> None:
        """A block goes to all who follow."""
        for party in self.founding.parties:
            if party.node != sender:
                self.network.carry(self.now, sender, party.node, data)

    def _arrive_later(self, delay_ms: int, to: NodeId, data: bytes) -> None:
        inbox = self.inboxes.get(to)
        if inbox is not None:
            self.at(delay_ms, partial(inbox, data))
