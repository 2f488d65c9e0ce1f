"""Where power can fail in a node, and when it is to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from comitia.roles.messages import (
    TYPES,
    AskModel,
    AskReveal,
    Blocks,
    Deliver,
    Follow,
    References,
    Reveal,
    Submit,
    Submitted,
    Vote,
)
from comitia.simulator.faults import Fault

STAGES: Final = {kind: name for name, kind in TYPES.items()}

_AROUND: Final = (
    "commit", "budget-reserve", "budget-spend", "budget-give-back", "budget-reuse", "budget-abandon", "block", "append",
)  # fmt: skip

_IN_SESSIONS: Final = (Submit, Submitted, Follow, Blocks, Reveal, References, AskReveal, Vote, Deliver, AskModel)

CRASH_POINTS: Final = (
    *(f"{place}:{when}" for place in _AROUND for when in ("before", "after")),
    *(f"write-{table}" for table in ("memory", "outbox", "artefact", "release")),
    *(f"send-{STAGES[kind]}" for kind in _IN_SESSIONS),
    "publish",
)
"""Every place at which a node can be killed: around each durable write and before each packet leaves."""


class Crash(BaseException):
    """The machine lost power. Nothing in a node can catch it."""


@dataclass(slots=True)
class Kill:
    """Power is to fail at a point, when a machine passes it for the `left`-th time from now.

    kind : as what it counts.
    lost : how many of a follower's blocks before it the disk had not written yet.
    """

    point: str
    left: int
    kind: Fault
    lost: int = 0
