"""A short `comitia bench chaos`: real processes killed, frozen, cut off, met with silence and out of disk.

What struck whom is drawn by the seed, when it takes effect is the machine's business; what is asserted holds whatever
happens. Out of disk is left out where the system cannot limit a running process' files (anything but Linux).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from comitia.app.bench.chaos import measure
from comitia.app.bench.trouble import Tempo, can_fill

pytestmark = pytest.mark.e2e

SEED = 8
"""With which silence strikes first: who meets it needs some seconds to find out, and others go on meanwhile."""

BRIEF = Tempo(ask_every_s=0.4, fault_every_s=0.5, longest_fault_s=1.2, stage_ms=1_000)


def test_after_chaos_all_that_was_acknowledged_is_there(tmp_path: Path) -> None:
    end = measure(minutes=0, nodes=4, seed=SEED, directory=tmp_path, tempo=BRIEF)
    assert end["violations"] == []
    assert end["answered_after_healing"]
    assert end["unanswered"] == 0
    assert set(end["faults"]) == {"kill", "freeze", "cut", "silence"} | ({"fill"} if can_fill() else set())
    assert end["sealed"] + end["aborted"] > 0
