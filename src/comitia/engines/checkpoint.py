"""SQLite's write-ahead log, copied into its database on a thread of its own, so that no block waits for it.

SQLite does this by itself once a thousand pages are in the log, and whoever commits then waits until all of them are on
the disk: 40 to 200 ms every two seconds, at a hundred blocks a second.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Final

log = logging.getLogger("comitia.ledger")

EVERY_S: Final = 2.0

LONGEST_LOG_PAGES: Final = 16_384
"""Above this who commits copies after all: where blocks come faster than they can be copied, the log must end."""

PASSES: Final = 20
"""The log begins anew only when all of it is copied, and a block may have come meanwhile."""


class Checkpointer:
    """Begins to work when it is first told of a block.

    Parameters
    ----------
    path : Path
        The database; whoever writes it must leave room for a second connection.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start the thread, if it does not run yet."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="comitia-checkpoint", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End after what is in hand. What is not copied yet stays in the log, where it is as durable."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(EVERY_S):
            try:
                self.copy()
            except sqlite3.Error as error:
                log.warning("the log of %s is not copied: %s; the next attempt follows", self._path, error)

    def copy(self) -> None:
        """Copy what is in the log now."""
        db = sqlite3.connect(self._path, isolation_level=None)
        try:
            for _ in range(PASSES):
                _, pages, copied = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if pages == copied:
                    return
        finally:
            db.close()
