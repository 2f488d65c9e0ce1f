"""Many runs, one after another, and what they come to together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from comitia.core.errors import InputError
from comitia.simulator.adversaries import STRATEGIES
from comitia.simulator.faults import Fault, Fired
from comitia.simulator.world import Outcome, Setting, World


@dataclass(slots=True)
class Tally:
    """The sum of all runs so far.

    Attributes
    ----------
    runs, sessions, sealed, aborted, served : as in `Outcome`.
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
        self.fired.update(outcome.fired)
        self.points.update(outcome.points)
        self.trace = hashlib.sha256((self.trace + outcome.trace_hash).encode()).hexdigest()

    def never_fired(self, setting: Setting) -> tuple[str, ...]:
        """Faults and strategies that were on and never acted: a run without them has shown nothing of them."""
        wanted = [kind.value for kind in Fault if kind in setting.faults]
        wanted += [f"adversary {name}" for name in setting.adversaries]
        return tuple(name for name in wanted if not self.fired[name])


def run(
    seeds: Iterable[int], setting: Setting, *, sizes: tuple[int, ...] = (), keep: bool = False
) -> Iterator[Outcome]:
    """Run each seed; with `sizes`, the number of providers goes round by them; `keep` keeps the stories."""
    for seed in seeds:
        sized = replace(setting, providers=sizes[seed % len(sizes)]) if sizes else setting
        yield World(seed, sized, keep=keep).run()


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
