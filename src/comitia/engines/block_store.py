"""Blocks and state in one SQLite file: a block and what it changed are durable together, or not at all.

Tables: `block` holds every block, `state` the state after the last one, `fact` the digest of the genesis. Nothing in
them is trusted when it is read: a block must hash to what the next one names, and the state to the root in the last
header.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from comitia.core.codec import decode, digest, encode
from comitia.core.errors import ConfigurationError, DamagedError, ProtocolError, StorageError
from comitia.engines.checkpoint import LONGEST_LOG_PAGES, Checkpointer
from comitia.engines.wal import cut_torn_tail
from comitia.ledger.block import MAX_BLOCK_BYTES, Block, BlockHeader
from comitia.ledger.state import Write

_TABLES: Final = {
    "block": "CREATE TABLE block (height INTEGER PRIMARY KEY, header BLOB NOT NULL, signature BLOB NOT NULL,"
    " body BLOB NOT NULL, checksum BLOB NOT NULL)",
    "fact": "CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "state": "CREATE TABLE state (place TEXT, name TEXT, value BLOB NOT NULL, PRIMARY KEY (place, name)) WITHOUT ROWID",
}


_FORMAT: Final = 2
"""SQLite's user_version of the file: of tables, blocks and state. On score sheets 1, and 0 from before files were
numbered, had figures of private hold-outs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """A block's transactions, as kept beside its header."""

    transactions: tuple[bytes, ...]


_FULL: Final = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE"})
_BROKEN: Final = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CORRUPT_INDEX", "SQLITE_CORRUPT_VTAB"})
_TAKEN: Final = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED"})


class BlockStore:
    """One node's ledger file.

    Parameters
    ----------
    path : Path
        Made if it is not there; its folder must be.
    genesis_digest : bytes
        The consortium that the file must belong to.
    original : bool
        Whether this is the orderer's own ledger, of which every block must survive a power cut once it is
        kept. A follower's copy may lose its last blocks then; it asks for them again.
    max_pages : int
        Most pages of the file, 0 for as many as the disk holds.

    Attributes
    ----------
    recovered : what was cut off at opening, in words; None if nothing was.

    Raises
    ------
    DamagedError
        From any method: a byte has flipped; names file, and offset or height.
    StorageError
        From any method: disk full, not readable, in use by another process. What was there is unchanged.
        At opening `ledger-version`: another version of Comitia has written the file.
    ConfigurationError
        At opening: the file belongs to another consortium.
    """

    def __init__(self, path: Path, genesis_digest: bytes, *, original: bool, max_pages: int = 0) -> None:
        self.path = path
        self._held = ExitStack()
        try:
            with self._guard():
                self._held.enter_context(closing(_lock(path)))
                self.recovered = cut_torn_tail(path, original=original)
                self._db = self._held.enter_context(closing(_connect(path)))
                self._prepare(genesis_digest, original, max_pages)
        except BaseException:
            self.close()
            raise
        self._checkpointer = self._held.enter_context(closing(Checkpointer(path)))

    def close(self) -> None:
        self._held.close()

    def block(self, height: int) -> Block:
        """One block.

        Raises
        ------
        StorageError
            Code ``no-block`` if there is none of this height.
        """
        with self._guard():
            row = self._db.execute(
                "SELECT height, header, signature, body, checksum FROM block WHERE height = ?", (height,)
            ).fetchone()
        if row is None:
            raise StorageError(f"there is no block {height} in {self.path}", code="no-block", height=height)
        return self._read(row)

    def blocks(self) -> Iterator[Block]:
        """All blocks, the lowest first."""
        with self._guard():
            for row in self._db.execute("SELECT height, header, signature, body, checksum FROM block ORDER BY height"):
                yield self._read(row)

    def state(self) -> Iterator[Write]:
        """Every entry of the state after the last block."""
        with self._guard():
            for place, name, value in self._db.execute("SELECT place, name, value FROM state"):
                if (type(place), type(name), type(value)) != (str, str, bytes):
                    raise self.damaged(f"an entry {name!r} of the state has a wrong type")
                yield Write(table=place, key=name, value=value)

    def add(self, block: Block, writes: Sequence[Write]) -> None:
        """Make a block and what it changed durable; it is when this returns."""
        header = block.header
        kept_as = (encode(header), block.signature, encode(_Body(transactions=block.transactions)))
        row = (header.height, *kept_as, digest(b"".join(kept_as)))
        gone = [(write.table, write.key) for write in writes if write.value is None]
        kept = [(write.table, write.key, write.value) for write in writes if write.value is not None]
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("INSERT INTO block VALUES (?, ?, ?, ?, ?)", row)
                self._db.executemany("DELETE FROM state WHERE place = ? AND name = ?", gone)
                self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", kept)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        self._checkpointer.begin()

    def damaged(self, what: str, **values: object) -> DamagedError:
        """The error for contents that do not fit together."""
        return DamagedError(
            f"{self.path} is damaged: {what}",
            code="ledger-damaged",
            hint="restore it from a backup; a provider or requester may also delete it and fetch the ledger anew",
            path=str(self.path),
            **values,
        )

    def _prepare(self, genesis_digest: bytes, original: bool, max_pages: int) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={'FULL' if original else 'NORMAL'}")
        self._db.execute("PRAGMA cell_size_check=ON")
        self._db.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG_PAGES}")
        if max_pages:
            self._db.execute(f"PRAGMA max_page_count={int(max_pages)}")
        found = dict(self._db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())
        if not found:
            self._found(genesis_digest)
        self._require_format()
        if found and found != _TABLES:
            raise self.damaged("its tables are not those of a ledger", offset=0)
        for (fault,) in self._db.execute("PRAGMA integrity_check(1)").fetchall():
            if fault != "ok":
                raise self.damaged(f"{fault}{self._offset_of(fault)}")
        row = self._db.execute("SELECT value FROM fact WHERE name = 'genesis'").fetchone()
        if row is None:
            raise self.damaged("it does not name its consortium")
        if row[0] != genesis_digest:
            raise ConfigurationError(
                f"{self.path} belongs to consortium {bytes(row[0]).hex()[:16]}, not to {genesis_digest.hex()[:16]}",
                code="foreign-ledger",
                hint="use the folder that this node was made in",
            )

    def _require_format(self) -> None:
        (number,) = self._db.execute("PRAGMA user_version").fetchone()
        if number != _FORMAT:
            raise StorageError(
                f"{self.path} has format {number}, this version of Comitia reads format {_FORMAT}",
                code="ledger-version",
                hint="run the version that wrote it; a provider or requester may also delete it and fetch the ledger "
                "anew",
                path=str(self.path),
                found=number,
                expected=_FORMAT,
            )

    def _found(self, genesis_digest: bytes) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.values():
            self._db.execute(statement)
        self._db.execute("INSERT INTO fact VALUES ('genesis', ?)", (genesis_digest,))
        self._db.execute(f"PRAGMA user_version={_FORMAT}")
        self._db.execute("COMMIT")

    def _offset_of(self, fault: str) -> str:
        """Where the page is that SQLite complains of; empty if it names none."""
        words = fault.replace(":", " ").split()
        for before, word in pairwise(words):
            if before.lower() == "page" and word.isdigit():
                page_bytes = int(self._db.execute("PRAGMA page_size").fetchone()[0])
                return f" (byte {(int(word) - 1) * page_bytes})"
        return ""

    def _read(self, row: tuple[int, bytes, bytes, bytes, bytes]) -> Block:
        """A block as kept. The checksum also covers the signature, which no later block's hash does."""
        height, header, signature, body, checksum = row
        whole = all(isinstance(part, bytes) for part in (header, signature, body))
        if not whole or digest(header + signature + body) != checksum:
            raise self.damaged(f"block {height} is not as it was written", block=height)
        try:
            block = Block(
                header=decode(BlockHeader, header),
                signature=signature,
                transactions=decode(_Body, body, limit=MAX_BLOCK_BYTES).transactions,
            )
        except ProtocolError as error:
            raise self.damaged(f"block {height} cannot be read: {error.message}", block=height) from error
        if block.header.height != height:
            raise self.damaged(f"block {height} says that it is block {block.header.height}", block=height)
        return block

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Turn what SQLite and the system say into errors for people."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explained(error) from error
        except UnicodeDecodeError as error:  # SQLite quotes damaged text as it is
            raise self.damaged(f"{error}{self._first_fault()}") from error
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}", code="not-readable", path=str(self.path)) from error

    def _explained(self, error: sqlite3.Error) -> DamagedError | StorageError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name in _BROKEN:
            return self.damaged(f"{error}{self._first_fault()}")
        if name in _FULL:
            return StorageError(
                f"the disk of {self.path} is full; the block was not added and nothing is lost",
                code="disk-full",
                hint="make room, then start the node again",
                path=str(self.path),
            )
        if name in _TAKEN:
            return StorageError(
                f"{self.path} is in use by another process",
                code="in-use",
                hint="a node already runs on this folder; `comitia stop` ends it",
                path=str(self.path),
            )
        return StorageError(
            f"{self.path}: {error}",
            code="storage-failed",
            hint="check the permissions of the file and its folder, and the disk",
            path=str(self.path),
        )

    def _first_fault(self) -> str:
        """What SQLite's own check says of a file that it cannot read; empty if not even that works."""
        try:
            fault = str(self._db.execute("PRAGMA integrity_check(1)").fetchone()[0])
            return f"; {fault}{self._offset_of(fault)}"
        except (sqlite3.Error, AttributeError, UnicodeDecodeError):
            return " (byte 0)"


def kept_height(path: Path) -> int:
    """How many blocks a ledger file holds, beside the process that writes it. Nothing is verified.

    Raises
    ------
    StorageError
        `not-readable`.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2)) as db:
            return int(db.execute("SELECT ifnull(max(height), 0) FROM block").fetchone()[0])
    except sqlite3.Error as error:
        raise StorageError(f"{path}: {error}", code="not-readable", path=str(path)) from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=2, check_same_thread=False)


def _lock(path: Path) -> sqlite3.Connection:
    """Hold the lock beside the file until this process ends, however it ends: two who order one ledger fork it."""
    lock = _connect(path.with_name(path.name + ".lock"))
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except BaseException:
        lock.close()
        raise
    return lock
