"""A node's durable memory: what it promised, what it still has to send, what it may serve again. SQLite."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from comitia.core.errors import StorageError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.ports import Question

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS memory   (session BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox   (id BLOB PRIMARY KEY, session BLOB NOT NULL, kind TEXT NOT NULL,
                                     envelope BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS artefact (digest BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS release  (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact     (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS question (session BLOB PRIMARY KEY, request TEXT NOT NULL, answer INTEGER)
                                     WITHOUT ROWID;
"""

FULL_BELOW_BYTES: Final = 1 << 20
"""Free space below which a failed write is put down to a full disk."""


class NodeStore:
    """One node's database; one process writes, others may read and answer questions.

    Every write is durable when its method, or the `transaction` around it, returns.

    Parameters
    ----------
    path : Path
        The database file; made if it is not there.

    Raises
    ------
    StorageError
        From any method: disk full, damaged file, no permission. The state is then as before the call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._together = False
        with self._guard():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all writes inside durable together, or none of them; without a write nothing is touched."""
        self._together = True
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        finally:
            self._together = False
        if self._db.in_transaction:
            with self._guard():
                self._db.execute("COMMIT")

    def changed_elsewhere(self) -> int:
        """A number that changes whenever another process wrote to this database."""
        found = self._one("PRAGMA data_version")
        return found if isinstance(found, int) else 0

    def remember(self, session: SessionId, value: bytes) -> None:
        self._write("INSERT OR REPLACE INTO memory VALUES (?, ?)", session, value)

    def memories(self) -> dict[SessionId, bytes]:
        return {SessionId(row[0]): row[1] for row in self._all("SELECT session, value FROM memory")}

    def forget(self, session: SessionId) -> None:
        self._write("DELETE FROM memory WHERE session = ?", session)

    def queue(self, transaction: TransactionId, session: bytes, kind: str, envelope: bytes) -> None:
        """Keep a signed transaction until the ledger has it."""
        self._write("INSERT OR IGNORE INTO outbox VALUES (?, ?, ?, ?)", transaction, session, kind, envelope)

    def queued(self, session: bytes, kind: str) -> bytes | None:
        """The envelope already signed for this session and kind: a node never signs a second one."""
        found = self._one("SELECT envelope FROM outbox WHERE session = ? AND kind = ?", session, kind)
        return found if isinstance(found, bytes) else None

    def outbox(self) -> dict[TransactionId, bytes]:
        return {TransactionId(row[0]): row[1] for row in self._all("SELECT id, envelope FROM outbox")}

    def unqueue(self, transaction: TransactionId) -> None:
        self._write("DELETE FROM outbox WHERE id = ?", transaction)

    def unqueue_session(self, session: SessionId) -> None:
        self._write("DELETE FROM outbox WHERE session = ?", session)

    def keep_artefact(self, digest: bytes, value: bytes) -> None:
        """Keep public bytes (a model, a codebook) under their digest."""
        self._write("INSERT OR IGNORE INTO artefact VALUES (?, ?)", digest, value)

    def artefact(self, digest: bytes) -> bytes | None:
        found = self._one("SELECT value FROM artefact WHERE digest = ?", digest)
        return found if isinstance(found, bytes) else None

    def keep_release(self, key: bytes, value: bytes) -> None:
        """Keep a release, to be served again for the same question at no cost."""
        self._write("INSERT OR REPLACE INTO release VALUES (?, ?)", key, value)

    def release(self, key: bytes) -> bytes | None:
        found = self._one("SELECT value FROM release WHERE key = ?", key)
        return found if isinstance(found, bytes) else None

    def note(self, name: str, value: bytes) -> None:
        self._write("INSERT OR REPLACE INTO fact VALUES (?, ?)", name, value)

    def fact(self, name: str) -> bytes | None:
        found = self._one("SELECT value FROM fact WHERE name = ?", name)
        return found if isinstance(found, bytes) else None

    def erase(self, name: str) -> None:
        self._write("DELETE FROM fact WHERE name = ?", name)

    def ask_owner(self, session: SessionId, request: str) -> None:
        self._write("INSERT OR IGNORE INTO question VALUES (?, ?, NULL)", session, request)

    def answer_question(self, session: SessionId, answer: bool) -> None:
        self._write("UPDATE question SET answer = ? WHERE session = ?", int(answer), session)

    def questions(self) -> tuple[Question, ...]:
        rows = self._all("SELECT session, request, answer FROM question ORDER BY session")
        return tuple(
            Question(session=SessionId(row[0]), request=row[1], answer=None if row[2] is None else bool(row[2]))
            for row in rows
        )

    def _write(self, statement: str, *values: object) -> None:
        with self._guard():
            if self._together and not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(statement, values)

    def _one(self, statement: str, *values: object) -> object:
        with self._guard():
            row = self._db.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def _all(self, statement: str) -> list[tuple[Any, ...]]:
        with self._guard():
            return self._db.execute(statement).fetchall()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes damaged text as it is
            if self._is_full(error):
                raise StorageError(
                    f"the disk of {self.path} is full; nothing was changed",
                    code="disk-full",
                    hint="free some space, then start the node again",
                    path=str(self.path),
                ) from error
            raise StorageError(
                f"{self.path} cannot be read or written: {error}",
                code="node-storage",
                hint="check the disk, the file and its permissions",
                path=str(self.path),
            ) from error

    def _is_full(self, error: Exception) -> bool:
        """Whether this comes of a full disk, for which SQLite says "disk I/O error" when its log cannot grow."""
        name = getattr(error, "sqlite_errorname", None) or ""
        if name == "SQLITE_FULL":
            return True
        return name.startswith("SQLITE_IOERR") and shutil.disk_usage(self.path.parent).free < FULL_BELOW_BYTES
