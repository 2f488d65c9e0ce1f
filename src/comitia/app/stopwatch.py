"""How long each stage of a session takes, as its requester sees it."""

from __future__ import annotations

import time

from comitia.core.telling import Say, silent
from comitia.ledger.session import Session


class Stages:
    """Watches a session move on.

    Parameters
    ----------
    told : called with the name of each phase as it begins.
    """

    def __init__(self, told: Say = silent) -> None:
        self._seconds: dict[str, float] = {}
        self._told = told
        self._phase = "request"
        self._since = time.perf_counter()

    def moved(self, session: Session) -> None:
        """Take note of the ledger's record of the session."""
        if session.phase.value == self._phase:
            return
        self._close()
        self._phase = session.phase.value
        self._told(self._phase)

    def end(self) -> dict[str, float]:
        """Seconds of each stage; the last is what came after the block was sealed."""
        self._close()
        self._seconds["deliver"] = self._seconds.pop("sealed", 0.0)
        return self._seconds

    def _close(self) -> None:
        now = time.perf_counter()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._since = now
