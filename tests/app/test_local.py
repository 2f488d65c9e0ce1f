"""A node process that neither gets ready nor ends is not waited for for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from comitia.app import local
from comitia.core.errors import UnavailableError


@pytest.mark.parametrize(("script", "patience_s"), [("import time; time.sleep(99)", 0.05), ("pass", 60.0)])
def test_who_does_not_get_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, patience_s: float
) -> None:
    monkeypatch.setattr(local, "READY_S", patience_s)
    (tmp_path / "node.log").write_text("waiting for the super node\n")
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    node = local.LocalNode(name="plant", folder=tmp_path, arguments=[], process=process)
    with pytest.raises(UnavailableError, match="plant did not start: waiting for the super node"):
        local.await_ready(node)
    assert process.wait(10) is not None
    assert process.stdout is not None
    process.stdout.close()
