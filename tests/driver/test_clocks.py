"""A node whose clock is wrong says so, once, and `comitia doctor` finds it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from comitia.app.cli import main
from comitia.driver.clocks import Clocks, disagreement
from comitia.storage.folder import NodeFolder
from comitia.storage.node import NodeStore

HOUR_MS = 3_600_000
NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("ahead_ms", "words"),
    [(48 * HOUR_MS, "2 days ahead of"), (-3 * HOUR_MS, "3 hours behind"), (90_000, "90 seconds ahead of")],
)
def test_a_wrong_clock_is_told_once_and_found_by_doctor(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    ahead_ms: int,
    words: str,
) -> None:
    folder = NodeFolder(tmp_path / "plant")
    assert main(["join", str(folder.path), "--name", "plant"]) == 0
    store = NodeStore(folder.store)
    clocks = Clocks(store, 60_000)
    for late_ms in (0, 10):
        clocks.compare(NOW_MS + ahead_ms, NOW_MS + late_ms)
    assert [record.levelno for record in caplog.records if words in record.message] == [logging.WARNING]
    assert clock_of(folder, capsys) == (False, f"this node's clock is {words} the super node's")
    clocks.compare(NOW_MS, NOW_MS)
    assert not disagreement(store)
    store.close()
    assert clock_of(folder, capsys)[0]


def clock_of(folder: NodeFolder, capsys: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """What `comitia doctor` finds."""
    capsys.readouterr()
    main(["doctor", str(folder.path), "--format", "json"])
    (found,) = (each for each in json.loads(capsys.readouterr().out) if each["check"] == "clock")
    return found["ok"], found["found"]
