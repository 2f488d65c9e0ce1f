"""What goes wrong with real processes, one thing after another, and is put right again after a while."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final

import psutil

from comitia.app.bench.cable import Cable
from comitia.app.local import LocalConsortium, LocalNode, await_ready
from comitia.core.errors import UnavailableError

FULL_AT_BYTES: Final = 4_096
"""A node that is out of disk cannot write beyond this offset of any file."""

HEALING_S: Final = 120.0
"""How long nodes and requests may take until all is well again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How fast things go wrong.

    ask_every_s : from request to request.
    fault_every_s : from fault to fault, on average.
    longest_fault_s : until it is put right, at most.
    stage_ms : length of each stage of a session.
    """

    ask_every_s: float = 1.0
    fault_every_s: float = 2.0
    longest_fault_s: float = 6.0
    stage_ms: int = 3_000


Mend = Callable[[], None]


@dataclass(slots=True)
class Trouble:
    """Every kind of fault has its turn before any has the next; a third of the nodes suffer at once, at most.

    local, cables, draw, tempo : whose processes and connections, what decides, how fast.
    fired : how often each fault struck.
    stopped : how often a node ended by itself; each was started again.
    """

    local: LocalConsortium
    cables: dict[str, Cable]
    draw: Random
    tempo: Tempo
    fired: Counter[str] = field(default_factory=Counter)
    stopped: int = 0
    _next_s: float = 0.0
    _mending: list[tuple[float, int, str, Mend]] = field(default_factory=list)
    _turns: list[str] = field(default_factory=list)
    _starting: dict[str, LocalNode] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every kind of fault has struck."""
        return all(self.fired[kind] for kind in self.kinds)

    @property
    def kinds(self) -> dict[str, Callable[[LocalNode], Mend]]:
        """What can happen on this system."""
        kinds: dict[str, Callable[[LocalNode], Mend]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "cut": self._cut,
            "silence": self._silence,
        }
        if can_fill():
            kinds["fill"] = self._fill
        return kinds

    def go_on(self, now: float) -> None:
        """Put right what is due, start what has ended, and let something go wrong now and then."""
        while self._mending and self._mending[0][0] <= now:
            heapq.heappop(self._mending)[3]()
        self._start_ended()
        disturbed = {name for _, _, name, _ in self._mending}
        if now < self._next_s or len(disturbed) >= max(1, len(self.local.nodes) // 3):
            return
        self._next_s = now + self.draw.uniform(0.5, 1.5) * self.tempo.fault_every_s
        kind = self._next_kind()
        reached = self.local.providers if kind in ("cut", "silence") else self.local.nodes
        calm = [node for node in reached if node.name not in disturbed]
        if not calm:
            self._turns.append(kind)
            return
        node = self.draw.choice(calm)
        with suppress(psutil.Error):  # it has ended by itself, which the next look finds
            mend = self.kinds[kind](node)
            self.fired[kind] += 1
            lasts = self.draw.uniform(0.2, 1.0) * self.tempo.longest_fault_s
            heapq.heappush(self._mending, (now + lasts, sum(self.fired.values()), node.name, mend))

    def heal(self) -> list[str]:
        """Put everything right, and start who has ended until every node is ready; the names of those that are not."""
        for _, _, _, mend in self._mending:
            mend()
        self._mending.clear()
        deadline = time.monotonic() + HEALING_S
        self._start_ended()
        while self._starting and time.monotonic() < deadline:
            for node in tuple(self._starting.values()):
                with suppress(UnavailableError):  # it has ended again: of what it noticed of a full disk, for instance
                    await_ready(node)
                    del self._starting[node.name]
            self._start_ended()
        return sorted(self._starting)

    def _next_kind(self) -> str:
        if not self._turns:
            self._turns = list(self.kinds)
            self.draw.shuffle(self._turns)
        return self._turns.pop()

    def _start_ended(self) -> None:
        held = {name for _, _, name, _ in self._mending}
        for node in self.local.nodes:
            if node.process is not None and node.process.poll() is not None and node.name not in held:
                self.stopped += 1
                self._start(node)

    def _start(self, node: LocalNode) -> None:
        if node.process is not None and node.process.stdout is not None:
            node.process.stdout.close()
        self.local.start_node(node)
        self._starting[node.name] = node

    def _kill(self, node: LocalNode) -> Mend:
        """End it at once, as a power cut does."""
        _process(node).kill()
        assert node.process is not None
        node.process.wait()
        return lambda: self._start(node)

    def _freeze(self, node: LocalNode) -> Mend:
        process = _process(node)
        process.suspend()

        def resume() -> None:
            with suppress(psutil.NoSuchProcess):
                process.resume()

        return resume

    def _cut(self, node: LocalNode) -> Mend:
        """End its connections, and refuse new ones."""
        cable = self.cables[node.name]
        cable.cut()
        return cable.mend

    def _silence(self, node: LocalNode) -> Mend:
        """Let its connections stand and lead nowhere; it has to find out, and dial anew."""
        self.cables[node.name].silence()
        return lambda: None

    def _fill(self, node: LocalNode) -> Mend:
        """Let writes fail; a node that ends of it is started again once there is room."""
        process = _process(node)
        process.rlimit(psutil.RLIMIT_FSIZE, (FULL_AT_BYTES, psutil.RLIM_INFINITY))

        def make_room() -> None:
            with suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))

        return make_room


def can_fill() -> bool:
    """Whether this system can limit the size of a running process' files, which Linux alone does."""
    return hasattr(psutil, "RLIMIT_FSIZE")


def _process(node: LocalNode) -> psutil.Process:
    assert node.process is not None
    return psutil.Process(node.process.pid)
