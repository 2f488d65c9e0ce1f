"""A network that loses, doubles, delays, reorders and cuts, by seed."""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

from comitia.core.ids import NodeId
from comitia.simulator.faults import Fault, Fired

NEAREST_MS: Final = 1
FARTHEST_MS: Final = 12
"""Packets take so long at least, and less than that at most."""

SLOW_MS: Final = 1_500
"""A delayed packet takes up to this much longer."""

_BITS: Final = 10
_MOST: Final = (1 << _BITS) - 1
"""Each thing that may happen to a packet takes so many bits of the one number that is drawn for it."""

_ODDS: Final = {Fault.LOSS: 31, Fault.DUPLICATE: 31, Fault.REORDER: 41, Fault.DELAY: 10}
"""How many packets of 1,024 each kind befalls, where it is on."""


class Carrier(Protocol):
    """Brings a packet to its reader after a while."""

    def __call__(self, delay_ms: int, to: NodeId, data: bytes) -> None: ...


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
        self._fired = fired
        self._deliver = deliver
        self._odds = tuple(odds if kind in faults else 0 for kind, odds in _ODDS.items())
        self.cuts: dict[tuple[NodeId, NodeId], tuple[int, Fault]] = {}

    def calm(self) -> None:
        """From now on packets arrive, once each; cuts end as they were to end."""
        self._odds = (0,) * len(_ODDS)

    def cut(self, senders: list[NodeId], readers: list[NodeId], until_ms: int, kind: Fault) -> None:
        """Nothing passes from `senders` to `readers` before `until_ms`."""
        for sender in senders:
            for reader in readers:
                self.cuts[sender, reader] = (until_ms, kind)

    def carry(self, now_ms: int, sender: NodeId, to: NodeId, data: bytes) -> None:
        if self.cuts:
            cut = self.cuts.get((sender, to))
            if cut is not None and now_ms < cut[0]:
                self._fired[cut[1]] += 1
                return
        drawn = self._random.getrandbits(5 * _BITS)
        lost, twice, _, _ = self._odds
        if drawn & _MOST < lost:
            self._fired[Fault.LOSS] += 1
            return
        self._deliver(self._delay(drawn >> 2 * _BITS), to, data)
        if drawn >> _BITS & _MOST < twice:
            self._fired[Fault.DUPLICATE] += 1
            self._deliver(self._delay(self._random.getrandbits(3 * _BITS)), to, data)

    def _delay(self, drawn: int) -> int:
        _, _, overtaken, late = self._odds
        delay = NEAREST_MS + ((drawn >> 2 * _BITS) * (FARTHEST_MS - NEAREST_MS) >> _BITS)
        if drawn & _MOST < overtaken:
            self._fired[Fault.REORDER] += 1
            delay += self._random.randrange(FARTHEST_MS, 10 * FARTHEST_MS)
        if drawn >> _BITS & _MOST < late:
            self._fired[Fault.DELAY] += 1
            delay += self._random.randrange(100, SLOW_MS)
        return delay
