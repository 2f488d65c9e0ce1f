"""Many runs, one after another, and what they come to together."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Final

from comitia.core.errors import InputError
from comitia.simulator.adversaries import STRATEGIES
from comitia.simulator.faults import Fault, Fired
from comitia.simulator.surroundings import Setting
from comitia.simulator.world import Outcome, World

SEEDS_AT_ONCE: Final = 20
"""How many seeds a worker takes at a time."""

_THRESHOLDS: Final = (500_000, 20, 50)


@dataclass(slots=True)
class Tally:
    """The sum of all runs so far.

    Attributes
    ----------
    runs, sessions, sealed, aborted, served : as in `Outcome`.
    cpu_seconds, seconds : of all runs and processes; by the clock, of all starts.
    violations : seeds that broke a sentence, with the sentences.
    fired, points : how often each fault and strategy acted, and each crash point was hit.
    trace : running hash over the runs' hashes.
    """

    runs: int
    sessions: int
    sealed: int
    aborted: int
    served: int
    violations: dict[int, tuple[str, ...]]
    fired: Fired
    points: Fired
    trace: str
    cpu_seconds: float = 0.0
    seconds: float = 0.0

    @classmethod
    def empty(cls) -> Tally:
        return cls(0, 0, 0, 0, 0, {}, Counter(), Counter(), "")

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.sessions += outcome.sessions
        self.sealed += outcome.sealed
        self.aborted += outcome.aborted
        self.served += outcome.served
        if outcome.violations:
            self.violations[outcome.seed] = outcome.violations
        self.cpu_seconds += outcome.cpu_seconds
        self.fired.update(outcome.fired)
        self.points.update(outcome.points)
        self.trace = hashlib.sha256((self.trace + outcome.trace_hash).encode()).hexdigest()

    def never_fired(self, setting: Setting) -> tuple[str, ...]:
        """Faults and strategies that were on and never acted: a run without them has shown nothing of them."""
        wanted = [kind.value for kind in Fault if kind in setting.faults]
        wanted += [f"adversary {name}" for name in setting.adversaries]
        return tuple(name for name in wanted if not self.fired[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Halfway:
    """A tally to go on from, as a file keeps it.

    Attributes
    ----------
    asked : the options of the run, which must be the same.
    runs, sessions, sealed, aborted, served, violations, fired, points, trace, cpu_ms, ms : as in `Tally`.
    """

    asked: str
    runs: int
    sessions: int
    sealed: int
    aborted: int
    served: int
    violations: tuple[tuple[int, tuple[str, ...]], ...]
    fired: dict[str, int]
    points: dict[str, int]
    trace: str
    cpu_ms: int
    ms: int

    @classmethod
    def of(cls, tally: Tally, asked: str) -> Halfway:
        return cls(
            asked=asked,
            cpu_ms=round(1_000 * tally.cpu_seconds),
            ms=round(1_000 * tally.seconds),
            violations=tuple(tally.violations.items()),
            fired=dict(tally.fired),
            points=dict(tally.points),
            **{name: getattr(tally, name) for name in ("runs", "sessions", "sealed", "aborted", "served", "trace")},
        )

    def tally(self) -> Tally:
        """The tally that it was made of."""
        return Tally(
            runs=self.runs,
            sessions=self.sessions,
            sealed=self.sealed,
            aborted=self.aborted,
            served=self.served,
            violations=dict(self.violations),
            fired=Counter(self.fired),
            points=Counter(self.points),
            trace=self.trace,
            cpu_seconds=self.cpu_ms / 1_000,
            seconds=self.ms / 1_000,
        )


def run(
    seeds: Iterable[int], setting: Setting, *, sizes: tuple[int, ...] = (), workers: int = 1
) -> Generator[Outcome, None, None]:
    """Run each seed, in order; with `sizes`, the number of providers goes round by them.

    With several workers, processes share the seeds; what comes out, and in which order, is the same. They end when the
    generator is closed, and when this process ends, however it ends.
    """
    one = partial(run_one, setting=setting, sizes=sizes)
    if workers == 1:
        with _rare_collections():
            yield from map(one, seeds)
        return
    with get_context("spawn").Pool(workers, _quietly) as pool:
        yield from pool.imap(one, seeds, chunksize=SEEDS_AT_ONCE)


def run_one(seed: int, setting: Setting, *, sizes: tuple[int, ...] = (), keep: bool = False) -> Outcome:
    """Run one seed; `keep` keeps its story."""
    sized = replace(setting, providers=sizes[seed % len(sizes)]) if sizes else setting
    began = time.process_time()
    outcome = World(seed, sized, keep=keep).run()
    return replace(outcome, cpu_seconds=time.process_time() - began)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A world holds much until its end and leaves few circles: looking for them costs a seventh of the time."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _quietly() -> None:
    """What nodes log is told by the story of a seed, message by message; an interruption is the command's business."""
    gc.set_threshold(*_THRESHOLDS)
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed has told nobody."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def parse_adversaries(text: str) -> tuple[str, ...]:
    """``all``, ``none``, or names of strategies with commas.

    Raises
    ------
    InputError
        There is no such strategy; lists those there are.
    """
    if text in ("all", "none"):
        return tuple(STRATEGIES) if text == "all" else ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in STRATEGIES:
            raise InputError(
                f"there is no strategy {name!r}",
                code="unknown-adversary",
                hint=f"all, none, or some of: {', '.join(STRATEGIES)}",
            )
    return names


def parse_seeds(text: str) -> range:
    """``FIRST:LAST``, the last one not included, or how many from 0 on.

    Raises
    ------
    InputError
        It is neither, or there are none.
    """
    first, colon, last = text.partition(":")
    try:
        seeds = range(int(first), int(last)) if colon else range(int(first))
    except ValueError:
        seeds = range(0)
    if not seeds:
        raise InputError(f"{text!r} names no seeds", code="bad-seeds", hint="write FIRST:LAST, for example 0:1000")
    return seeds
