"""What can go wrong in a simulated world, by kind; a run is told which kinds are on."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from comitia.core.errors import InputError


class Fault(StrEnum):
    """A kind of fault. Each firing is counted; a kind that is on and never fires fails the run."""

    CRASH = "crash"
    TORN_WRITE = "torn-write"
    LOST_WRITES = "lost-writes"
    DISK_FULL = "disk-full"
    BIT_FLIP = "bit-flip"
    CLOCK_SKEW = "clock-skew"
    CLOCK_JUMP = "clock-jump"
    PAUSE = "pause"
    DEATH = "death"
    DELAY = "delay"
    LOSS = "loss"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    PARTITION = "partition"
    ONE_WAY = "one-way-partition"
    CUT_OFF = "permanent-partition"


ALL = frozenset(Fault)

Fired = Counter[str]
"""How often each fault, each crash point and each adversary has acted."""


def parse_faults(text: str) -> frozenset[Fault]:
    """``all``, ``none``, or names with commas.

    Raises
    ------
    InputError
        There is no such fault; lists those there are.
    """
    if text in ("all", "none"):
        return ALL if text == "all" else frozenset()
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in list(Fault):
            raise InputError(
                f"there is no fault {name!r}", code="unknown-fault", hint=f"all, none, or some of: {', '.join(Fault)}"
            )
    return frozenset(map(Fault, names))
