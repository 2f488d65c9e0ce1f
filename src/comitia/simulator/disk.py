"""A node's disk: store, budget and blocks that survive a crash as files do, each write a point to crash at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final

from comitia.core.codec import decode, digest, encode
from comitia.core.errors import DamagedError
from comitia.core.ids import SessionId, TransactionId
from comitia.driver.ports import Question
from comitia.ledger.block import Block
from comitia.ledger.state import Write
from comitia.privacy import budget
from comitia.privacy.book import Ask, Book, Movement
from comitia.privacy.limits import Limits
from comitia.privacy.receipt import Receipt

Touch = Callable[[str], None]
"""Told the name of each write before and after it is done; may crash the node or refuse for a full disk."""

Key = tuple[str, bytes | str]

NOTHING: Final = object()


class SimulatedStore:
    """A node's store: what was committed survives; what was written since the last commit does not.

    Parameters
    ----------
    touch : Touch
    """

    def __init__(self, touch: Touch) -> None:
        self.touch = touch
        self.rows: dict[Key, Any] = {}
        self._undo: dict[Key, Any] | None = None
        self._transaction = _Transaction(self)

    def transaction(self) -> _Transaction:
        return self._transaction

    def begin(self) -> None:
        self._undo = {}

    def commit(self) -> None:
        """Make durable what was written since `begin`."""
        if not self._undo:
            self._undo = None
            return
        try:
            self.touch("commit:before")
        except BaseException:
            self.roll_back()
            raise
        self._undo = None
        self.touch("commit:after")

    def roll_back(self) -> None:
        """Undo what was written since `begin`."""
        for key, old in (self._undo or {}).items():
            self._set(key, old)
        self._undo = None

    def changed_elsewhere(self) -> int:
        found = self.rows.get(("elsewhere", ""), 0)
        return int(found)

    def remember(self, session: SessionId, value: bytes) -> None:
        self._write("memory", session, value)

    def memories(self) -> dict[SessionId, bytes]:
        return {SessionId(name): value for name, value in self._table("memory")}

    def forget(self, session: SessionId) -> None:
        self._write("memory", session, NOTHING)
        self._write("question", session, NOTHING)

    def queue(self, transaction: TransactionId, session: bytes, kind: str, envelope: bytes) -> None:
        self._write("outbox", transaction, (session, kind, envelope))

    def queued(self, session: bytes, kind: str) -> bytes | None:
        for _, (of, named, envelope) in self._table("outbox"):
            if (of, named) == (session, kind):
                return bytes(envelope)
        return None

    def outbox(self) -> dict[TransactionId, bytes]:
        return {TransactionId(name): value[2] for name, value in self._table("outbox")}

    def unqueue(self, transaction: TransactionId) -> None:
        self._write("outbox", transaction, NOTHING)

    def unqueue_session(self, session: SessionId) -> None:
        for name, (of, _, _) in self._table("outbox"):
            if of == session:
                self._write("outbox", name, NOTHING)

    def keep_artefact(self, digest: bytes, value: bytes) -> None:
        self._write("artefact", digest, value)

    def artefact(self, digest: bytes) -> bytes | None:
        return self.rows.get(("artefact", digest))

    def has_artefact(self, digest: bytes) -> bool:
        return ("artefact", digest) in self.rows

    def artefacts(self) -> dict[bytes, int]:
        return {name: len(value) for name, value in self._table("artefact")}

    def drop_artefact(self, digest: bytes) -> None:
        self._write("artefact", digest, NOTHING)

    def drop_partial(self) -> None:
        """A simulated write is whole or not at all."""

    def keep_release(self, key: bytes, documents: bytes, value: bytes) -> None:
        self._write("release", key, (documents, value))

    def release(self, key: bytes) -> bytes | None:
        kept = self.rows.get(("release", key))
        return None if kept is None else bytes(kept[1])

    def drop_releases(self, documents: bytes) -> None:
        for key, (of, _) in self._table("release"):
            if of == documents:
                self._write("release", key, NOTHING)

    def note(self, name: str, value: bytes) -> None:
        self._write("fact", name, value)

    def fact(self, name: str) -> bytes | None:
        return self.rows.get(("fact", name))

    def erase(self, name: str) -> None:
        self._write("fact", name, NOTHING)

    def ask_owner(self, session: SessionId, request: str) -> None:
        self._write("question", session, Question(session=session, request=request, answer=None))

    def questions(self) -> tuple[Question, ...]:
        return tuple(value for _, value in self._table("question"))

    def _table(self, table: str) -> list[tuple[Any, Any]]:
        return [(name, value) for (of, name), value in self.rows.items() if of == table]

    def _write(self, table: str, name: bytes | str, value: object) -> None:
        key = (table, name)
        if value is NOTHING and key not in self.rows:
            return
        self.touch(f"write-{table}")
        if self._undo is not None:
            self._undo.setdefault(key, self.rows.get(key, NOTHING))
        self._set(key, value)

    def _set(self, key: Key, value: object) -> None:
        if value is NOTHING:
            self.rows.pop(key, None)
        else:
            self.rows[key] = value


class _Transaction:
    """The one that a store can have open: a class, since a generator costs several times as much at every event."""

    __slots__ = ("_store",)

    def __init__(self, store: SimulatedStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._store.commit()
        else:
            self._store.roll_back()


class SimulatedBudget:
    """A provider's budget, by the rules of `privacy.budget`, as a journal chained by hashes.

    Parameters
    ----------
    touch : Touch
    journal : list of bytes
        The file: opening reads it, and closes what a crash left open.

    Raises
    ------
    DamagedError
        The journal was altered.
    """

    def __init__(self, touch: Touch, journal: list[bytes]) -> None:
        self._touch = touch
        self._journal = journal
        self.limits: list[Limits] = []
        self.book = Book()
        for entry in journal:
            if digest(entry[32:]) != entry[:32]:
                raise DamagedError("the budget is damaged", code="budget-damaged")
            self.book = budget.record(self.book, (decode(Movement, entry[32:]),))
        self._enter("abandon", budget.abandon(self.book))

    def reserve(self, limits: Limits, ask: Ask) -> None:
        self._enter("reserve", budget.reserve(self.book, limits, ask))
        self.limits = [limits]

    def spend(self, reservation: bytes, receipt: Receipt) -> None:
        self._enter("spend", budget.spend(self.book, reservation, receipt))

    def give_back(self, reservation: bytes) -> None:
        self._enter("give-back", budget.give_back(self.book, reservation))

    def reuse(self, ask: Ask, release: bytes) -> None:
        self._enter("reuse", budget.reuse(self.book, ask, release))

    def _enter(self, what: str, movements: tuple[Movement, ...]) -> None:
        if not movements:
            return
        self._touch(f"budget-{what}:before")
        book = budget.record(self.book, movements)
        for movement in movements:
            content = encode(movement)
            self._journal.append(digest(content) + content)
        self.book = book
        self._touch(f"budget-{what}:after")


class SimulatedBlocks:
    """Blocks and state of the super node, for the embedded engine; a block is durable when `add` returns."""

    recovered: str | None = None

    def __init__(self, touch: Touch) -> None:
        self.touch = touch
        self.kept: list[Block] = []
        self.entries: dict[tuple[str, str], bytes] = {}
        self.flipped = False

    def close(self) -> None:
        """Nothing is held open."""

    def block(self, height: int) -> Block:
        return self.kept[height - 1]

    def blocks(self) -> Iterator[Block]:
        return iter(self.kept)

    def state(self) -> Iterator[Write]:
        for (table, key), value in self.entries.items():
            yield Write(table=table, key=key, value=value)

    def add(self, block: Block, writes: Sequence[Write]) -> None:
        self.touch("block:before")
        self.kept.append(block)
        for write in writes:
            if write.value is None:
                self.entries.pop((write.table, write.key), None)
            else:
                self.entries[write.table, write.key] = write.value
        self.touch("block:after")

    def damaged(self, what: str, **values: object) -> DamagedError:
        return DamagedError(f"the ledger is damaged: {what}", code="ledger-damaged", values=values)


def flip_bit(data: bytes, bit: int) -> bytes:
    """`data` with one bit changed; `bit` counts from the first, modulo the length."""
    place = bit % (8 * len(data))
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)
