"""The durable budget: a journal of movements in SQLite, each chained to the one before by its hash.

Every movement is on disk (WAL, synchronous=FULL) before the call that made it returns; a crash in between
leaves the book as it was. What stood reserved at a crash counts as spent. A file that is missing or damaged
counts as exhausted: opening it fails, and without a budget a provider releases nothing.

SQLite's log ends, without a word, where a bit of it has flipped. So each movement is copied from there into the file,
whose chain shows every change, as soon as it is durable.

What the chain cannot see is a file put back whole from an older copy. What was spent in sessions stands on
the ledger too; `Book` and ledger can be compared.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from comitia.core import codec
from comitia.core.errors import ProtocolError, StorageError
from comitia.privacy import budget
from comitia.privacy.book import Ask, Book, Movement
from comitia.privacy.limits import Limits
from comitia.privacy.receipt import Receipt

_START: Final = hashlib.sha256(b"comitia/budget-journal/1").digest()
_APPLICATION: Final = 0x436F6D42
"""Marks the file as a Comitia budget (SQLite's application_id)."""
_FORMAT: Final = 2
"""SQLite's user_version of the file: of tables and movements. In those of 1, and of 0 from before files were numbered,
an ask named slots of documents."""
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE journal (number INTEGER PRIMARY KEY, movement BLOB NOT NULL, chain BLOB NOT NULL);
CREATE TABLE head (only INTEGER PRIMARY KEY CHECK (only = 0), number INTEGER NOT NULL, chain BLOB NOT NULL);
INSERT INTO head VALUES (0, 0, x'{_START.hex()}');
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_FORMAT};
COMMIT;
"""

_MENDING: Final = (
    "restore a copy made after the last release; the ledger lists all sessions taken part in. A new, empty "
    "budget forgets what was spent: make one only for data of which nothing was released"
)


class BudgetFile:
    """A provider's budget, opened by the one process that may change it.

    Parameters
    ----------
    path : Path
        The file, made before by `BudgetFile.create`.

    Attributes
    ----------
    book : Book
        Where every reservation stands; exactly what is on disk.

    Raises
    ------
    StorageError
        `budget-missing`, `budget-damaged` (both count as exhausted), `budget-in-use` (another process holds
        it), or `disk-full` and `budget-unwritable` from any method: nothing has changed then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _must_exist(path)
        self._held = ExitStack()
        try:
            self._held.enter_context(closing(_lock(path)))
            with _guard(path):
                self._db = self._held.enter_context(closing(_connect(str(path))))
                self.book, self._number, self._chain = _replay(self._db, path)
            self._enter(budget.abandon(self.book))
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path) -> BudgetFile:
        """Make an empty budget, for data of which nothing was ever released, and open it.

        Raises
        ------
        StorageError
            `budget-exists`: a file is there already; or as for opening.
        """
        if path.exists():
            raise StorageError(f"{path} is there already", code="budget-exists", path=str(path))
        with _guard(path), closing(_connect(str(path))) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(_SCHEMA)
        return cls(path)

    @staticmethod
    def read(path: Path) -> Book:
        """Return the book as it stands on disk, beside the process that writes it.

        Raises
        ------
        StorageError
            `budget-missing` or `budget-damaged`.
        """
        _must_exist(path)
        with _guard(path), closing(_connect(f"{path.resolve().as_uri()}?mode=ro")) as db:
            db.execute("BEGIN")
            return _replay(db, path)[0]

    def close(self) -> None:
        """Let go of the file. What is reserved will count as spent when it is opened again."""
        self._held.close()

    def __enter__(self) -> BudgetFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reserve(self, limits: Limits, ask: Ask) -> None:
        """See `comitia.privacy.budget.reserve`. Durable on return."""
        self._enter(budget.reserve(self.book, limits, ask))

    def spend(self, reservation: bytes, receipt: Receipt) -> None:
        """See `comitia.privacy.budget.spend`. Durable on return; only then may the release leave the node."""
        self._enter(budget.spend(self.book, reservation, receipt))

    def give_back(self, reservation: bytes) -> None:
        """See `comitia.privacy.budget.give_back`. Durable on return."""
        self._enter(budget.give_back(self.book, reservation))

    def reuse(self, ask: Ask, release: bytes) -> None:
        """See `comitia.privacy.budget.reuse`. Durable on return."""
        self._enter(budget.reuse(self.book, ask, release))

    def _enter(self, movements: tuple[Movement, ...]) -> None:
        """Make movements durable together, then enter them in the book."""
        if not movements:
            return
        book = budget.record(self.book, movements)
        number, chain = self._number, self._chain
        with _guard(self.path), self._transaction():
            for movement in movements:
                content = codec.encode(movement)
                number, chain = number + 1, _link(chain, content)
                self._db.execute("INSERT INTO journal VALUES (?, ?, ?)", (number, content, chain))
            self._db.execute("UPDATE head SET number = ?, chain = ?", (number, chain))
        self.book, self._number, self._chain = book, number, chain
        with suppress(sqlite3.Error):  # a full disk, say: it is copied with the next movement
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _connect(database: str) -> sqlite3.Connection:
    """Open a database by path or URI; the driver may call from any of its threads, one at a time."""
    db = sqlite3.connect(
        database, uri=database.startswith("file:"), isolation_level=None, timeout=10, check_same_thread=False
    )
    db.execute("PRAGMA synchronous=FULL")
    return db


def _link(chain: bytes, content: bytes) -> bytes:
    return hashlib.sha256(chain + content).digest()


def _replay(db: sqlite3.Connection, path: Path) -> tuple[Book, int, bytes]:
    """Read the whole journal; return the book, the last movement's number and its chain hash.

    Checks, in this order:
    1. the file is a sound SQLite database and a Comitia budget, of a format that this version reads;
    2. movements are numbered without a gap and each is chained to the one before;
    3. each can be read and follows from those before;
    4. the last one is the one that the head names.
    """
    (marker,) = db.execute("PRAGMA application_id").fetchone()
    (soundness,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if marker != _APPLICATION or soundness != "ok":  # 1
        raise _damaged(path, "it is not a sound budget file")
    (number,) = db.execute("PRAGMA user_version").fetchone()
    if number != _FORMAT:  # 1
        raise StorageError(
            f"the budget file {path} has format {number}, this version of Comitia reads format {_FORMAT}: nothing can "
            "be released",
            code="budget-version",
            hint="run the version that wrote it, or a later one; a new, empty budget forgets what was spent",
            path=str(path),
            found=number,
            expected=_FORMAT,
        )
    movements, chain, last = [], _START, 0
    for number, content, kept in db.execute("SELECT number, movement, chain FROM journal ORDER BY number"):
        if number != last + 1 or not isinstance(content, bytes) or _link(chain, content) != kept:  # 2
            raise _damaged(path, f"movement {last + 1} is missing or altered", movement=last + 1)
        last, chain = number, kept
        movements.append(content)
    try:
        book = budget.record(Book(), (codec.decode(Movement, content) for content in movements))  # 3
    except (ProtocolError, ValueError) as error:
        raise _damaged(path, f"its movements contradict each other: {error}") from error
    heads = db.execute("SELECT number, chain FROM head").fetchall()
    if heads != [(last, chain)]:  # 4
        raise _damaged(path, f"movements after number {last} are missing", movement=last + 1)
    return book, last, chain


def _lock(path: Path) -> sqlite3.Connection:
    """Hold the lock beside the file, which the operating system lets go of when this process ends, however
    it ends."""
    with _guard(path):
        name = path.with_name(path.name + ".lock")
        lock = sqlite3.connect(name, isolation_level=None, timeout=0, check_same_thread=False)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise StorageError(
                f"{path} is in use by another process",
                code="budget-in-use",
                hint="stop the other provider on this directory first",
                path=str(path),
            ) from error
    return lock


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise StorageError(
            f"the budget file {path} is missing, which counts as exhausted: nothing can be released",
            code="budget-missing",
            hint=_MENDING,
            path=str(path),
        )


def _damaged(path: Path, what: str, **values: object) -> StorageError:
    return StorageError(
        f"the budget file {path} is damaged ({what}), which counts as exhausted: nothing can be released",
        code="budget-damaged",
        hint=_MENDING,
        path=str(path),
        **values,
    )


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            raise StorageError(
                f"the disk is full: {path} was not changed, and nothing was released",
                code="disk-full",
                hint="free some space and ask again",
                path=str(path),
            ) from error
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT):
            raise _damaged(path, str(error)) from error
        raise StorageError(
            f"{path} cannot be read or written: {error}",
            code="budget-unwritable",
            hint="check the permissions of the file and its directory, and the disk",
            path=str(path),
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # SQLite quotes damaged text as it is
        raise _damaged(path, str(error)) from error
