"""Every order of events in a small session. The whole search, with a liar and a crash, is a run of its own."""

from __future__ import annotations

import sys

import pytest

from comitia.simulator.exhaustive import Search


@pytest.mark.parametrize(("liar", "crashes", "most"), [(False, 0, 0), (True, 1, 5_000)])
def test_no_order_of_events_breaks_a_promise(liar: bool, crashes: int, most: int) -> None:
    explored = Search(liar=liar, crashes=crashes, most=most).run()
    sys.stdout.write(f"liar {liar}, crashes {crashes}: {explored.states} states, {explored.moves} moves\n")
    assert [text for text in explored.broken if not text.startswith("unfinished")] == []
    if not most:
        assert explored.ends["sealed"] and explored.ends["aborted"]
