"""A network that loses, doubles, delays, reorders and cuts, by seed."""

from __future__ import annotations

from random import Random
from typing import Protocol

from comitia.core.ids import NodeId
from comitia.simulator.faults import Fault, Fired

NEAREST_MS = 1
FARTHEST_MS = 12
SLOW_MS = 1_500
"""A delayed packet takes up to this much longer."""


class Carrier(Protocol):
    """Brings a packet to its reader after a while."""

    def __call__(self, delay_ms: int, sender: NodeId, to: NodeId, data: bytes) -> None: ...


class Network:
    """Decides what becomes of each packet.

    Parameters
    ----------
    random : Random
    faults : kinds that are on in this run.
    fired : counts them.
    deliver : Carrier
    """

    def __init__(self, random: Random, faults: frozenset[Fault], fired: Fired, deliver: Carrier) -> None:
        self._random = random
        self._faults = faults
        self._fired = fired
        self._deliver = deliver
        self.cuts: dict[tuple[NodeId, NodeId], tuple[int, Fault]] = {}
        self.calm = False

    def cut(self, senders: list[NodeId], readers: list[NodeId], until_ms: int, kind: Fault) -> None:
        """Nothing passes from `senders` to `readers` before `until_ms`."""
        for sender in senders:
            for reader in readers:
                self.cuts[sender, reader] = (until_ms, kind)

    def carry(self, now_ms: int, sender: NodeId, to: NodeId, data: bytes) -> None:
        cut = self.cuts.get((sender, to))
        if cut is not None and now_ms < cut[0]:
            self._fired[cut[1]] += 1
            return
        if self._happens(Fault.LOSS, 30):
            return
        self._deliver(self._delay(), sender, to, data)
        if self._happens(Fault.DUPLICATE, 30):
            self._deliver(self._delay(), sender, to, data)

    def _delay(self) -> int:
        delay = self._random.randrange(NEAREST_MS, FARTHEST_MS)
        if self._happens(Fault.REORDER, 40):
            delay += self._random.randrange(FARTHEST_MS, 10 * FARTHEST_MS)
        if self._happens(Fault.DELAY, 10):
            delay += self._random.randrange(100, SLOW_MS)
        return delay

    def _happens(self, kind: Fault, per_mille: int) -> bool:
        if self.calm or kind not in self._faults or self._random.randrange(1000) >= per_mille:
            return False
        self._fired[kind] += 1
        return True
