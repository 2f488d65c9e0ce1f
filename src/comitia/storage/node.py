"""A node's durable memory: what it promised, what it still has to send, what it may serve again. SQLite.

Every row carries a checksum over its table, key and values, since SQLite hands out flipped bits without a word. Rows
are checked when they are read, and all once at opening: a key that has changed is found by nobody who looks for it.
A release can be made again, so a damaged one is dropped, and said; with anything else damaged the store does not open.
Codebooks and models, most of what a node keeps, lie in a folder beside the file (`storage.artefacts`).
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from comitia.core.codec import digest, encode
from comitia.core.errors import DamagedError, StorageError
from comitia.core.ids import NodeId, SessionId, TransactionId
from comitia.driver.ports import Question
from comitia.storage.artefacts import ArtefactFolder

log = logging.getLogger("comitia.store")

_TABLES: Final = {
    "memory": "session BLOB PRIMARY KEY, value BLOB NOT NULL",
    "outbox": "id BLOB PRIMARY KEY, session BLOB NOT NULL, kind TEXT NOT NULL, envelope BLOB NOT NULL",
    "release": "key BLOB PRIMARY KEY, documents BLOB NOT NULL, value BLOB NOT NULL",
    "fact": "name TEXT PRIMARY KEY, value BLOB NOT NULL",
    "question": "session BLOB PRIMARY KEY, request TEXT NOT NULL, answer INTEGER",
}
"""Columns of each table, the key first; the checksum comes after them."""

_LAYOUT: Final = {
    table: f"CREATE TABLE {table} ({columns}, checksum BLOB NOT NULL) WITHOUT ROWID"
    for table, columns in _TABLES.items()
}
"""As SQLite tells it."""

_FORMAT: Final = 3
"""SQLite's user_version of the file. 1 had no checksums, 2 had artefacts in it. Before files were numbered it was 0."""

_BROKEN: Final = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CORRUPT_INDEX"})

_MADE_AGAIN: Final = "release"

_OWNER: Final = "node"

FULL_BELOW_BYTES: Final = 1 << 20
"""Free space below which a failed write is put down to a full disk."""


class NodeStore:
    """One node's database; one process writes, others may read and answer questions.

    Every write but `keep_artefact` is durable when its method, or the `transaction` around it, returns.

    Parameters
    ----------
    path : Path
        The database file; made if it is not there. Beside it, a folder of the same name holds the artefacts.

    Attributes
    ----------
    begun : bool
        Whether there was none before.

    Raises
    ------
    DamagedError
        Code ``store-damaged``, at opening and from any method that reads: names the table and the row.
    StorageError
        At opening `store-version`: another version of Comitia has written the file. From any method: disk full, damaged
        file, no permission. The state is then as before the call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._artefacts = ArtefactFolder(path.with_suffix(".artefacts"))
        self._together = False
        self.begun = False
        with self._guard():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
        try:
            self._prepare()
            for table in _TABLES:
                self._rows(table)
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._guard():
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            (fault,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if fault != "ok":
                raise self._unusable(f"{self.path} is damaged: {fault}")
            if not self._layout():
                self._db.execute("BEGIN IMMEDIATE")
                for statement in _LAYOUT.values() if not self._layout() else ():  # or another process was faster
                    self._db.execute(statement)
                    self.begun = True
                self._db.execute(f"PRAGMA user_version={_FORMAT}")
                self._db.execute("COMMIT")
            self._require_format()

    def _layout(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())

    def _require_format(self) -> None:
        """Refuse what another version of Comitia has written, and tables that none has."""
        as_now = self._layout() == _LAYOUT
        number = self._db.execute("PRAGMA user_version").fetchone()[0] or (_FORMAT if as_now else 1)
        if number != _FORMAT:
            raise StorageError(
                f"{self.path} has format {number}, this version of Comitia reads format {_FORMAT}",
                code="store-version",
                hint="run the version that wrote it, or let the node join anew in another folder",
                path=str(self.path),
                found=number,
                expected=_FORMAT,
            )
        if not as_now:
            raise self._unusable(f"{self.path} is damaged: its tables are not those of a node's store")

    def close(self) -> None:
        self._db.close()

    def claim(self, node: NodeId) -> None:
        """Make this the store of a node, for good; errors as `require_owner`."""
        if self.fact(_OWNER) is None:
            self.note(_OWNER, node.encode())
        self.require_owner(node)

    def require_owner(self, node: NodeId) -> None:
        """Refuse a store that another node has claimed: its promises, policy and releases are that node's.

        Raises
        ------
        StorageError
            `foreign-store`.
        """
        owner = self.fact(_OWNER)
        if owner not in (None, node.encode()):
            raise StorageError(
                f"{self.path} is the store of another node, {owner.decode(errors='replace') if owner else ''}",
                code="foreign-store",
                hint="put it back into that node's folder, and this node's own file here",
                path=str(self.path),
            )

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
        with self._guard():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def remember(self, session: SessionId, value: bytes) -> None:
        self._put("memory", session, value)

    def memories(self) -> dict[SessionId, bytes]:
        return {SessionId(row[0]): row[1] for row in self._rows("memory")}

    def forget(self, session: SessionId) -> None:
        """Delete what was remembered of a session that has ended, and what its owner was asked."""
        self._write("DELETE FROM memory WHERE session = ?", session)
        self._write("DELETE FROM question WHERE session = ?", session)

    def queue(self, transaction: TransactionId, session: bytes, kind: str, envelope: bytes) -> None:
        """Keep a signed transaction until the ledger has it."""
        self._put("outbox", transaction, session, kind, envelope, once=True)

    def queued(self, session: bytes, kind: str) -> bytes | None:
        """The envelope already signed for this session and kind: a node never signs a second one."""
        rows = self._rows("outbox", "session = ? AND kind = ?", session, kind)
        return bytes(rows[0][3]) if rows else None

    def outbox(self) -> dict[TransactionId, bytes]:
        return {TransactionId(row[0]): row[3] for row in self._rows("outbox")}

    def unqueue(self, transaction: TransactionId) -> None:
        self._write("DELETE FROM outbox WHERE id = ?", transaction)

    def unqueue_session(self, session: SessionId) -> None:
        self._write("DELETE FROM outbox WHERE session = ?", session)

    def keep_artefact(self, digest: bytes, value: bytes) -> None:
        """Keep public bytes (a model, a codebook) under their digest, unless they are here and whole.

        They stay whatever becomes of the transaction around; a power cut may take those of the last seconds.
        """
        self._artefacts.keep(digest, value)

    def artefact(self, digest: bytes) -> bytes | None:
        return self._artefacts.read(digest)

    def has_artefact(self, digest: bytes) -> bool:
        """Whether an artefact is kept here; whether it is whole, reading it will tell."""
        return self._artefacts.has(digest)

    def artefacts(self) -> dict[bytes, int]:
        """Bytes of each artefact, by its digest."""
        return self._artefacts.sizes()

    def damaged_artefacts(self) -> list[bytes]:
        """Digests of the artefacts that are not as they were written. All are read, none is dropped."""
        return self._artefacts.damaged()

    def drop_artefact(self, digest: bytes) -> None:
        self._artefacts.drop(digest)

    def drop_partial(self) -> None:
        """Delete what a crash has left half written."""
        self._artefacts.drop_partial()

    def keep_release(self, key: bytes, documents: bytes, value: bytes) -> None:
        """Keep a release of these documents (their version), to be served again for the same question at no cost."""
        self._put("release", key, documents, value)

    def release(self, key: bytes) -> bytes | None:
        rows = self._rows("release", "key = ?", key)
        return bytes(rows[0][2]) if rows else None

    def releases(self) -> int:
        """How many releases are kept."""
        return len(self._rows("release"))

    def drop_releases(self, documents: bytes) -> None:
        """Delete all releases of these documents."""
        self._write("DELETE FROM release WHERE documents = ?", documents)

    def note(self, name: str, value: bytes) -> None:
        self._put("fact", name, value)

    def fact(self, name: str) -> bytes | None:
        rows = self._rows("fact", "name = ?", name)
        return bytes(rows[0][1]) if rows else None

    def erase(self, name: str) -> None:
        self._write("DELETE FROM fact WHERE name = ?", name)

    def ask_owner(self, session: SessionId, request: str) -> None:
        self._put("question", session, request, None, once=True)

    def answer_question(self, session: SessionId, answer: bool) -> None:
        for _, request, _ in self._rows("question", "session = ?", session):
            self._put("question", session, request, int(answer))

    def questions(self) -> tuple[Question, ...]:
        return tuple(
            Question(session=SessionId(row[0]), request=row[1], answer=None if row[2] is None else bool(row[2]))
            for row in sorted(self._rows("question"))
        )

    def _put(self, table: str, *values: bytes | str | int | None, once: bool = False) -> None:
        """Enter a row; one that is there is replaced, or with `once` stays."""
        verb = "IGNORE" if once else "REPLACE"
        places = ", ".join("?" * (len(values) + 1))
        self._write(f"INSERT OR {verb} INTO {table} VALUES ({places})", *values, _checksum(table, values))

    def _rows(self, table: str, where: str = "TRUE", *values: bytes | str) -> list[tuple[Any, ...]]:
        """Rows without their checksums, each of which holds."""
        with self._guard():
            found = self._db.execute(f"SELECT * FROM {table} WHERE {where}", values).fetchall()
        whole = []
        for *values, checksum in found:
            if _checksum(table, values) == checksum:
                whole.append(tuple(values))
            else:
                self._damaged(table, values[0])
        return whole

    def _damaged(self, table: str, key: object) -> None:
        """Drop a damaged row that can be had again; refuse any other."""
        named = key.hex()[:16] if isinstance(key, bytes) else repr(key)
        found = f"{self.path} is damaged: row {named} of its table {table!r} is not as it was written"
        if table == _MADE_AGAIN:
            log.warning("%s; it is dropped, and made or fetched again when it is needed", found)
            self._write(f"DELETE FROM {table} WHERE {_TABLES[table].split()[0]} = ?", key)
            return
        raise self._unusable(found, table=table, row=named)

    def _unusable(self, found: str, **values: object) -> DamagedError:
        return DamagedError(
            found,
            code="store-damaged",
            hint="restore the file from its latest backup, or let the node join anew: "
            "without it the node cannot know what it has promised or what its owner allows",
            path=str(self.path),
            **values,
        )

    def _write(self, statement: str, *values: object) -> None:
        with self._guard():
            if self._together and not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(statement, values)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes damaged text as it is
            if isinstance(error, UnicodeDecodeError) or getattr(error, "sqlite_errorname", "") in _BROKEN:
                raise self._unusable(f"{self.path} is damaged: {error}") from error
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


def _checksum(table: str, values: Sequence[object]) -> bytes:
    """Of a row; what no row can hold, an altered type for instance, has none."""
    try:
        return digest(encode([table, *values]))
    except TypeError:
        return b""
