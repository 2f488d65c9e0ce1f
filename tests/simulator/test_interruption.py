"""However `comitia simulate --workers N` ends, no worker stays behind, and what it had done is kept."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from comitia.app.commands.simulate import HALFWAY

PATIENCE_S = 60.0


def begin(resume: Path) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A run without end, and its two workers, which are at work."""
    options = ["--seeds", "0:1000000", "--providers", "3", "--requests", "1", "--faults", "none", "--workers", "2"]
    command = [sys.executable, "-m", "comitia.app", "simulate", *options, "--resume", str(resume)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    workers: list[psutil.Process] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(workers) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return process, workers


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_no_worker_outlives_its_run(tmp_path: Path) -> None:
    asked_to, killed = begin(tmp_path / "asked"), begin(tmp_path / "killed")
    asked_to[0].terminate()
    killed[0].kill()
    for process, workers in (asked_to, killed):
        process.wait(PATIENCE_S)
        assert len(workers) == 2
        assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []
    assert asked_to[0].returncode == 130
    assert HALFWAY.read(tmp_path / "asked").runs >= 0
