"""A process for which permissions count, even where tests run as root."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

_DROP_FROM_BOUNDING_SET = 24
_OVERRIDES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root's right to write and read whatever the permissions say."""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter with these arguments."""
    begin = _give_up_rights if sys.platform == "linux" and os.geteuid() == 0 else None
    return subprocess.run(
        [sys.executable, *arguments], preexec_fn=begin, capture_output=True, text=True, timeout=600, check=False
    )


def _give_up_rights() -> None:
    libc = ctypes.CDLL(None)
    for right in _OVERRIDES:
        if libc.prctl(_DROP_FROM_BOUNDING_SET, right, 0, 0, 0):
            raise PermissionError("a right of root cannot be given up")
